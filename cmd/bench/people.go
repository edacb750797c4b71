package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast/holdfast/internal/factor/savedcode"
	"github.com/holdfast/holdfast/internal/secret"
)

const (
	leastAccounts = 40_000 // of the large database
	fewAccounts   = 10_000 // of the small one
	savedAccounts = 6_000  // how many have a saved code
	aged          = 60 * 24 * time.Hour
)

// The accounts of a database are numbered. The even ones are consumers with one factor: a code to their address lets them in.
// The odd ones are business accounts with two: a code to their address and a saved code do. Both hear of it by text message
// as well, so that no recovery of theirs has to wait.
//
// The first half of the accounts recovers once each, because a second recovery within a month is held; the second half is
// only ever asked for.
func email(n int) string { return fmt.Sprintf("person%07d@example.com", n) }

// line is an account's line of an import.
func line(n int, verified time.Time) string {
	population, aal := "consumer", 1
	if n%2 == 1 {
		population, aal = "business", 2
	}
	at := verified.UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"account_ref":"user-%07d","population":%q,"identifiers":[{"type":"email","value":%q}],"channels":[`+
		`{"type":"email","address":%q,"verified_at":%q},{"type":"sms","address":"+447700900%03d","verified_at":%q}],`+
		`"assurance":{"aal":%d,"ial":0},"locale":"en"}`+"\n", n, population, email(n), email(n), at, n%1000, at, aal)
}

// writeLines writes the lines of the accounts from (included) to (excluded).
func writeLines(w io.Writer, from, to int, verified time.Time) error {
	for n := from; n < to; n++ {
		if _, err := io.WriteString(w, line(n, verified)); err != nil {
			return err
		}
	}
	return nil
}

// people hands out accounts, each once.
type people struct {
	consumers, business, strangers atomic.Int64
	compared                       atomic.Int64
}

func (l *lab) half() int { return l.big / 2 }

// consumer gives a consumer that nobody was before.
func (l *lab) consumer() (int, error) {
	n := int(l.next.consumers.Add(1)-1) * 2
	if n >= l.half() {
		return 0, fmt.Errorf("the database has too few accounts for so many recoveries: raise -big")
	}
	return n, nil
}

// employee gives a business account with a saved code that nobody was before.
func (l *lab) employee() (int, error) {
	n := int(l.next.business.Add(1) - 1)
	if n >= savedAccounts {
		return 0, fmt.Errorf("too few accounts have a saved code for so many recoveries: lower -seconds")
	}
	return n*2 + 1, nil
}

// asked gives any account of the second half of a database with so many accounts.
func asked(accounts int) int { return accounts/2 + draw(accounts/2) }

// draw gives a number from 0 to below n.
func draw(n int) int {
	var b [8]byte
	_, _ = rand.Read(b[:])                                // never fails (crypto/rand)
	return int(binary.BigEndian.Uint64(b[:]) % uint64(n)) //nolint:gosec // n is positive.
}

// savedCodes are saved codes of the odd accounts. One body was hashed once, at the real cost, for all of them: each code has
// a prefix of its own, and checking it costs what it always costs.
type savedCodes struct {
	body     secret.String
	prefixes []string
}

// code gives the saved code of an account, as its owner would type it.
func (c *savedCodes) code(n int) string { return c.prefixes[n/2] + c.body.Reveal() }

// issueCodes gives the first odd accounts a saved code each, as old as the accounts.
func (l *lab) issueCodes(ctx context.Context, d *database) error {
	hasher, err := savedcode.NewHasher(l.keys, savedcode.Config{Rand: rand.Reader})
	if err != nil {
		return err
	}
	minted, err := savedcode.Mint(rand.Reader, 1)
	if err != nil {
		return err
	}
	phc, err := hasher.Hash(ctx, minted[0].Body)
	if err != nil {
		return err
	}
	ids, err := l.accountIDs(ctx, d)
	if err != nil {
		return err
	}
	l.codes = &savedCodes{body: minted[0].Body}
	issued := time.Now().Add(-aged)
	rows := make([][]any, 0, len(ids))
	for _, id := range ids {
		prefix, err := secret.RandomText(rand.Reader, secret.Crockford, savedcode.PrefixLength)
		if err != nil {
			return err
		}
		l.codes.prefixes = append(l.codes.prefixes, prefix.Reveal())
		rows = append(rows, []any{tenant, secret.NewID("svc", issued, rand.Reader), id, prefix.Reveal(), phc, issued})
	}
	_, err = d.owner.Pool().CopyFrom(ctx, pgx.Identifier{"saved_code"},
		[]string{"tenant_id", "id", "account_id", "prefix", "phc", "issued_at"}, pgx.CopyFromRows(rows))
	return err
}

// accountIDs gives the ids of the first odd accounts, by their number.
func (l *lab) accountIDs(ctx context.Context, d *database) ([]string, error) {
	hashes := make([][]byte, savedAccounts)
	for i := range hashes {
		hashes[i] = l.keys.IdentifierHashes(tenant, "email", email(2*i+1))[0]
	}
	rows, err := d.owner.Pool().Query(ctx, `SELECT i.account_id FROM unnest($1::bytea[]) WITH ORDINALITY AS w (hash, nth)
		JOIN identifier i ON i.tenant_id = $2 AND i.hash = w.hash ORDER BY w.nth`, hashes, tenant)
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(ids) != savedAccounts {
		err = fmt.Errorf("%d of %d accounts were found", len(ids), savedAccounts)
	}
	return ids, err
}
