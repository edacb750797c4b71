// Package throttle is the first wall against abuse: how often one source, one identifier, one client may ask. It is coarse
// on purpose; what guards a secret (attempts per account and method) is counted in the transaction that gives the verdict,
// elsewhere.
//
// Every limit is a GCRA bucket in PostgreSQL on the database's clock, so that any number of nodes share it exactly, there
// is no window whose edge lets a double burst through, and a refused request costs its sender nothing more. All
// rules of one request are judged together, in one round trip: either each of its buckets is charged, or none is. That is
// what keeps one source from emptying the bucket of somebody else's identifier: what its own bucket refuses
// never reaches the other.
//
// A bucket of limit L and burst B over a period P admits B at once, then one per P/L, never more than B + L in any span of length P.
//
// Keys are hashed with a key of ours before they reach the table: no address and no identifier rests there. The table is
// unlogged, so a hit waits for no disk; a crash of the database gives each key one fresh burst.
//
// Store offers the same buckets through github.com/ulule/limiter/v3, for whoever speaks that interface.
package throttle
