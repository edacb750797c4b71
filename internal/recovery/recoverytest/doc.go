// Package recoverytest is what tests of recoveries share: recoveries at every point of their life (build.go), and a Service
// over any store with simple parts around it (service.go).
//
// Builders play events through Apply, so what they give is what the machine itself would have made.
package recoverytest
