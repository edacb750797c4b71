package postgres_test

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

// hands is a clock that a test moves.
type hands struct{ at atomic.Pointer[time.Time] }

func (h *hands) Now() time.Time { return *h.at.Load() }

func (h *hands) advance(d time.Duration) {
	next := h.Now().Add(d)
	h.at.Store(&next)
}

// counted counts look-ups.
type counted struct {
	credential.Store
	finds atomic.Int64
}

func (c *counted) Find(ctx context.Context, id string) (credential.Presented, error) {
	c.finds.Add(1)
	return c.Store.Find(ctx, id)
}

type clientWorld struct {
	*world
	*credential.Clients
	store *counted
	clock *hands
}

func newClientWorld(t *testing.T) *clientWorld {
	t.Helper()
	w := &clientWorld{world: newWorld(t), clock: &hands{}}
	w.store = &counted{Store: postgres.NewCredentials(w.db)}
	now := time.Now()
	w.clock.at.Store(&now)
	w.Clients = w.node()
	return w
}

func (w *clientWorld) node() *credential.Clients {
	w.t.Helper()
	c, err := credential.NewClients(credential.Config{Store: w.store, Rand: rand.Reader, Clock: w.clock, Environment: "dev"})
	require.NoError(w.t, err)
	return c
}

func operator() audit.Actor { return audit.Actor{Kind: audit.ActorOperator, ID: "ops"} }

func (w *clientWorld) create(scopes ...credential.Scope) credential.Issued {
	w.t.Helper()
	i, err := w.CreateClient(w.t.Context(), credential.CreateCommand{
		Tenant: "demo", Name: "shop", Kind: credential.Service, Owner: "Ops on call", Scopes: scopes, By: operator(),
	})
	require.NoError(w.t, err)
	return i
}

//
func TestCreateClient_NeedsAnOwnerAnExpiryAndKnownScopes(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	good := credential.CreateCommand{
		Tenant: "demo", Name: "shop", Kind: credential.Service, Owner: "Ops on call", Scopes: []credential.Scope{credential.AccountsRead}, By: operator(),
	}
	for name, spoil := range map[string]func(c *credential.CreateCommand){
		"no owner":               func(c *credential.CreateCommand) { c.Owner = "" },
		"blank owner":            func(c *credential.CreateCommand) { c.Owner = "  " },
		"no name":                func(c *credential.CreateCommand) { c.Name = "" },
		"a name of two lines":    func(c *credential.CreateCommand) { c.Name = "a\nb" },
		"no scope":               func(c *credential.CreateCommand) { c.Scopes = nil },
		"an unknown scope":       func(c *credential.CreateCommand) { c.Scopes = []credential.Scope{"*"} },
		"an unknown kind":        func(c *credential.CreateCommand) { c.Kind = "robot" },
		"401 days":               func(c *credential.CreateCommand) { c.Lifetime = 401 * 24 * time.Hour },
		"a life that is over":    func(c *credential.CreateCommand) { c.Lifetime = -time.Hour },
		"publishable and strong": func(c *credential.CreateCommand) { c.Kind = credential.Publishable },
	} {
		cmd := good
		spoil(&cmd)
		_, err := w.CreateClient(t.Context(), cmd)
		require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(err), name)
	}
	good.Tenant = "nobody"
	_, err := w.CreateClient(t.Context(), good)
	requireFault(t, fault.CodeNotFound, err)
	require.Zero(t, scalar[int](w.world, `select count(*) from client`))

	good.Tenant = "demo"
	i, err := w.CreateClient(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, credential.DefaultLifetime, i.Credential.ExpiresAt.Sub(i.Credential.CreatedAt))
	require.True(t, strings.HasPrefix(i.Token.Reveal(), "hfk_dev_"))
	good.Kind, good.Scopes, good.Lifetime = credential.Publishable, []credential.Scope{credential.RecoveriesStart}, credential.MaxLifetime
	_, err = w.CreateClient(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, 2, scalar[int](w.world, `select count(*) from audit_event where action = 'nhi.created' and actor_kind = 'operator' and actor_id = 'ops'`))
	requireNowhere(t, w.dump(), i.Token.Reveal(), strings.Split(i.Token.Reveal(), "_")[3])
	list, err := w.ListClients(t.Context(), "demo")
	require.NoError(t, err)
	require.Len(t, list, 2)
	list, err = w.ListClients(t.Context(), "other")
	require.NoError(t, err)
	require.Empty(t, list)
}

//
func TestAuthenticate_AcceptsALiveCredentialAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	live := w.create(credential.AccountsRead, credential.AccountsWrite)
	text := live.Token.Reveal()

	p, err := w.Authenticate(t.Context(), text)

	require.NoError(t, err)
	require.Equal(t, credential.Principal{
		Tenant: "demo", Client: live.Client.ID, Credential: live.Credential.PublicID, Kind: credential.Service,
		Scopes: []credential.Scope{credential.AccountsRead, credential.AccountsWrite}, Owner: credential.PersonID("Ops on call"), ExpiresAt: live.Credential.ExpiresAt,
	}, p)

	expired, revoked, disabled, deleted := w.create(credential.AccountsRead), w.create(credential.AccountsRead), w.create(credential.AccountsRead), w.create(credential.AccountsRead)
	w.exec(`update client_credential set created_at = created_at - interval '91 days', expires_at = holdfast_now() where public_id = $1`, expired.Credential.PublicID)
	require.NoError(t, w.Revoke(t.Context(), credential.RevokeCommand{Tenant: "demo", Client: revoked.Client.ID, Credential: revoked.Credential.PublicID, By: operator()}))
	require.NoError(t, w.Revoke(t.Context(), credential.RevokeCommand{Tenant: "demo", Client: disabled.Client.ID, By: operator()}))
	w.exec(`alter table client_credential disable trigger ended_for_good`)
	w.exec(`update client_credential set revoked_at = null where public_id = $1`, disabled.Credential.PublicID)
	w.exec(`delete from client_credential where public_id = $1`, deleted.Credential.PublicID)
	var wrongSecret string // well formed, with its checksum, under a public id that exists
	{
		other, err := w.node().CreateClient(t.Context(), credential.CreateCommand{
			Tenant: "demo", Name: "x", Kind: credential.Service, Owner: "x", Scopes: credential.Service.Scopes(), By: operator(),
		})
		require.NoError(t, err)
		wrongSecret = other.Token.Reveal()
		w.exec(`update client_credential set secret_hash = sha256('other') where public_id = $1`, other.Credential.PublicID)
	}
	var answers []string
	for name, bearer := range map[string]string{
		"empty": "", "noise": "hello", "prefix only": "hfk_", "a wrong checksum": text[:len(text)-1] + string(text[len(text)-1]^1),
		"cut off": text[:len(text)-1], "a blank at the end": text + " ", "a JWT": "eyJhbGciOiJub25lIn0.e30.", "huge": "hfk_" + strings.Repeat("a", 1<<20),
		"a wrong secret": wrongSecret, "expired": expired.Token.Reveal(), "revoked": revoked.Token.Reveal(), "of a disabled client": disabled.Token.Reveal(),
		"unknown": deleted.Token.Reveal(),
	} {
		_, err := w.Authenticate(t.Context(), bearer)
		require.Equal(t, fault.CodeUnauthenticated, fault.CodeOf(err), name)
		answers = append(answers, err.Error())
	}
	for _, a := range answers {
		require.Equal(t, answers[0], a, "nothing tells them apart")
	}
}

func TestAuthenticate_CostsAHotClientNoRoundTripAndNoiseNone(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	live := w.create(credential.AccountsRead)
	for range 10 {
		_, err := w.Authenticate(t.Context(), live.Token.Reveal())
		require.NoError(t, err)
		_, err = w.Authenticate(t.Context(), "hfk_dev_noise")
		require.Error(t, err)
	}
	require.EqualValues(t, 1, w.store.finds.Load())

	// Another node revokes it: this one lets it pass for two seconds at most.
	require.NoError(t, w.node().Revoke(t.Context(), credential.RevokeCommand{Tenant: "demo", Client: live.Client.ID, By: operator()}))
	w.clock.advance(1999 * time.Millisecond)
	_, err := w.Authenticate(t.Context(), live.Token.Reveal())
	require.NoError(t, err)
	w.clock.advance(time.Millisecond)
	_, err = w.Authenticate(t.Context(), live.Token.Reveal())
	requireFault(t, fault.CodeUnauthenticated, err)
	_, err = w.Authenticate(t.Context(), live.Token.Reveal())
	requireFault(t, fault.CodeUnauthenticated, err)
	require.EqualValues(t, 3, w.store.finds.Load(), "a refusal is not remembered")
}

func TestRevoke_IsAtOnceOnItsOwnNode(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	live := w.create(credential.AccountsRead)
	_, err := w.Authenticate(t.Context(), live.Token.Reveal())
	require.NoError(t, err)

	cmd := credential.RevokeCommand{Tenant: "demo", Client: live.Client.ID, Credential: live.Credential.PublicID, By: operator()}
	require.NoError(t, w.Revoke(t.Context(), cmd))

	_, err = w.Authenticate(t.Context(), live.Token.Reveal())
	requireFault(t, fault.CodeUnauthenticated, err)
	require.NoError(t, w.Revoke(t.Context(), cmd), "again is fine")
	require.Equal(t, 1, scalar[int](w.world, `select count(*) from audit_event where action = 'nhi.disabled'`))
	cmd.Credential = "unknown"
	requireFault(t, fault.CodeNotFound, w.Revoke(t.Context(), cmd))
	cmd.Tenant, cmd.Credential = "other", live.Credential.PublicID
	requireFault(t, fault.CodeNotFound, w.Revoke(t.Context(), cmd))
}

func TestAuthenticate_EndsAtTheExpiryToTheMoment(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	live := w.create(credential.AccountsRead)
	w.exec(`update client_credential set expires_at = holdfast_now() + interval '60 seconds'`)
	w.exec(`insert into clock_shift (by) values (interval '59 seconds')`) // one second is left
	_, err := w.Authenticate(t.Context(), live.Token.Reveal())
	require.NoError(t, err)
	w.clock.advance(time.Second)
	w.exec(`update clock_shift set by = interval '60 seconds'`)
	_, err = w.Authenticate(t.Context(), live.Token.Reveal())
	requireFault(t, fault.CodeUnauthenticated, err)
}

//
func TestRotate_KeepsTheOldCredentialAliveAndNeverAThird(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	first := w.create(credential.AccountsRead)
	rotate := credential.RotateCommand{Tenant: "demo", Client: first.Client.ID, By: operator()}

	second, err := w.Rotate(t.Context(), rotate)

	require.NoError(t, err)
	for _, i := range []credential.Issued{first, second} {
		_, err := w.Authenticate(t.Context(), i.Token.Reveal())
		require.NoError(t, err)
	}
	_, err = w.Rotate(t.Context(), rotate)
	requireFault(t, fault.CodeConflict, err)
	require.NoError(t, w.Revoke(t.Context(), credential.RevokeCommand{Tenant: "demo", Client: first.Client.ID, Credential: first.Credential.PublicID, By: operator()}))
	_, err = w.Rotate(t.Context(), rotate)
	require.NoError(t, err)
	require.Equal(t, 2, scalar[int](w.world, `select count(*) from audit_event where action = 'nhi.rotated'`))
	rotate.Tenant = "other"
	_, err = w.Rotate(t.Context(), rotate)
	requireFault(t, fault.CodeNotFound, err)
	require.NoError(t, w.Revoke(t.Context(), credential.RevokeCommand{Tenant: "demo", Client: first.Client.ID, By: operator()}))
	rotate.Tenant = "demo"
	_, err = w.Rotate(t.Context(), rotate)
	requireFault(t, fault.CodeNotFound, err)
}

func TestFlush_WritesTheLastUseOnceAMinute(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	live := w.create(credential.AccountsRead)
	used := func() *time.Time {
		_, err := w.Authenticate(t.Context(), live.Token.Reveal())
		require.NoError(t, err)
		require.NoError(t, w.Flush(t.Context()))
		return scalar[*time.Time](w.world, `select last_used_at from client_credential`)
	}
	require.NoError(t, w.Flush(t.Context()))
	require.Nil(t, scalar[*time.Time](w.world, `select last_used_at from client_credential`))
	first := used()
	require.NotNil(t, first)
	require.Equal(t, first, used())
	w.exec(`insert into clock_shift (by) values (interval '61 seconds')`)
	require.Greater(t, *used(), *first)
}

// What a machine can never have is refused by the core and, if somebody writes past it, by the database.
func TestAIAgents_ReadProposeAndFlagAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	cmd := credential.CreateCommand{
		Tenant: "demo", Name: "helper", Kind: credential.AIAgent, Owner: "Robin@Example.com", Scopes: credential.AIAgent.Scopes(), By: operator(),
	}
	i, err := w.CreateClient(t.Context(), cmd)
	require.NoError(t, err)
	p, err := w.Authenticate(t.Context(), i.Token.Reveal())
	require.NoError(t, err)
	require.Equal(t, credential.PersonID("robin@example.com"), p.Person(), "a bot and its owner are one")
	for _, s := range credential.Scopes() {
		for _, kind := range credential.ClientKinds() {
			cmd.Kind, cmd.Scopes = kind, []credential.Scope{s}
			_, err := w.CreateClient(t.Context(), cmd)
			if kind.CanHold(s) {
				require.NoError(t, err, "%s: %s", kind, s)
				continue
			}
			require.Equal(t, fault.CodeInvalidRequest, fault.CodeOf(err), "%s: %s", kind, s)
		}
	}
	for kind, scope := range map[string]string{"ai_agent": "cases:decide", "service": "cases:decide", "publishable": "accounts:read"} {
		_, err := w.root.Exec(t.Context(), `update client set kind = $2, scopes = array[$3] where id = $1`, i.Client.ID, kind, scope)
		require.ErrorContains(t, err, "check constraint", kind)
	}
	_, err = w.root.Exec(t.Context(), `update client set kind = 'ai_agent', scopes = '{accounts:write}' where id = $1`, i.Client.ID)
	require.ErrorContains(t, err, "client_ai_agent_scopes")
}
