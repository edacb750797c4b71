// Package outbox names what is handed over for sending in the transaction that causes it: jobs and notices. A job holds
// ids only, never a code, a token or an address; who sends reads the rest when it works.
package outbox

import "time"

// JobKind names what a job is to do.
type JobKind string

// The jobs.
const (
	DeliverChallenge JobKind = "challenge.deliver" // mint a code and send it; for a decoy, the same without sending
	DeliverNotice    JobKind = "notice.deliver"    // send a notice until its provider accepts it
	HearReply        JobKind = "reply.hear"        // have an answer of NO heard by all that it may concern
	DeliverSignal    JobKind = "signal.deliver"    // make one attempt to tell another system; on a queue of its own
)

// SignalQueue is the queue of signals: a slow receiver must not keep codes and notices waiting.
const SignalQueue = "signals"

// Job is one piece of background work.
type Job struct {
	Kind   JobKind
	Tenant string
	ID     string // the challenge's or the notice's
	Sends  int    // DeliverChallenge: which send this is; an older one gives way to a newer one
}

// Notice is a security message to one address on file.
type Notice struct {
	ID            string
	Tenant        string
	Account       string
	Recovery      string // empty when it is about the account itself
	Kind          string // a kind that the templates know
	Channel       string
	ObjectionHash []byte // hash of the link's token; nil where the notice carries no link
	ClaimHash     []byte // hash of a claim link's token; nil where the notice carries none
	CreatedAt     time.Time
}
