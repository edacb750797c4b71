// Package signal says what other systems hear of what happens here: webhooks (Standard Webhooks 1.0.0) and Security Event
// Tokens by push (RFC 8417, RFC 8935) with the events of RISC and CAEP.
//
// The principles, in this order. Nothing leaves before evidence suffices, so that nobody can spam relying parties about a
// victim by starting recoveries. A signal is made of the audit event that it tells of, by one table (meaning.go), and
// is written in that event's transaction; what has no event has no signal. It carries no personal data beyond the name that
// identifies the account, which is opened at the moment of sending and rests nowhere. What was sent is what was
// signed. A delivery is made until it is acknowledged or given up on, and what was given up on can be sent again: at least
// once, always under the same id.
//
// Nothing here does I/O: what it needs it declares in ports.go.
package signal
