// Package abuse is about attacks in bulk: detectors that turn the journal into alerts, alerts that people acknowledge, and
// controls by which people raise the bar.
//
// The principles. A detector is a declared value (detectors.go): what is counted, over what, from how many on, and how honest
// traffic looks beside it. Counting is the store's: the journal is folded once, and detectors read sums of minutes, never
// the journal (ADR 0019). An alert changes only by its own methods, which are pure. A control only raises; there is no
// kind that lowers, it always ends by itself, and objections, notices and vetoes never ask for one.
package abuse
