// Package notify says what Holdfast tells people and how a message leaves the house: the message, the port through which
// it is sent, the three ways in which sending can fail, and the words themselves.
//
// It does no I/O. The folders below it speak one technology each: smtp, twilio, and the development inbox.
//
// Three kinds of text leave from here and never mix. A code message carries a one-time code and no link; a notice tells the
// owner of an account what is happening to it, may carry the link to object, and never carries a code; a claim message carries
// the link by which a claimant goes on, and neither of the other two. The renderer refuses a message that would be more than
// one, so that a mistake elsewhere stops here.
package notify
