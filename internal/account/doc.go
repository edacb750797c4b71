// Package account is about what is recovered: accounts with their identifiers, the addresses on file, enrolled factors and
// saved codes, as the tenant's identity system registers them.
//
// Three things hold for everything in here. Personal data (the account_ref included) is sealed under the account's own data
// key and found by keyed hashes only. While a recovery of the account is past its proofs, nothing about the
// account changes. And every change is one Change that the store writes whole: rows, notices to the
// owner and the audit event.
//
// That the end user re-authenticated before the identity system asks for a change, and that saved codes are shown
// in a session of AAL2, is the identity system's part: only it has the session.
package account
