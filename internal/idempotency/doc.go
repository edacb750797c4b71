// Package idempotency makes a repeated POST have one effect and one answer: it reads the Idempotency-Key
// header, names the request by it, and seals the answer so that only a repetition of the same request can open it.
//
// What is stored is a Record of three values: a hash of the caller and the key, a keyed hash of the route and the body, and the
// sealed outcome. The outcome's cipher key comes from the service's keyring and from the Idempotency-Key itself, of which nothing
// but the hash is kept. So the table gives up no token to someone who reads it, with the keyring or without, and a
// retry still gets the token it missed. How long a record is kept is the store's affair.
//
// It does no I/O. A handler goes like this:
//
//	raw, err := idempotency.Parse(header.Values(idempotency.Header))
//	key := idempotency.New(keys, callerID, "POST /v1/recoveries", raw, body)
//	// within the transaction:
//	record, found := tx.FindIdempotency(key.ID)
//	if found { err := key.Check(record); …; err = key.Open(record.Outcome, &outcome); return outcome }
//	… do the work …
//	sealed, err := key.Seal(outcome)
//	tx.InsertIdempotency(key.Record(sealed)) // unique on the id: the loser of a race rolls back and reads the winner's
package idempotency
