// Package browser tests the pages in a real Chromium against the whole service: what a person sees and presses, and what a
// mail scanner that runs scripts must not be able to set off. Its tests are behind the build tag browser, so that `make test`
// needs no browser; `make test-browser` runs them, and a missing Chromium fails them (ADR 0023).
package browser
