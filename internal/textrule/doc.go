// Package textrule is what a tenant's text messages may reach and cost: what operators let it, and what the tenant makes
// of that for itself. A tenant narrows and never widens, whatever is changed above it later.
package textrule
