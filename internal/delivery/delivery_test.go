package delivery_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// A fate moves forward once, whatever comes later, in whatever order.
func TestFate_OnlyMovesForward(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		stands, said delivery.Fate
		want         delivery.Verdict
	}{
		{delivery.Accepted, delivery.Accepted, delivery.OnTheWay},
		{delivery.Accepted, delivery.Delivered, delivery.Settled},
		{delivery.Accepted, delivery.Failed, delivery.Settled},
		{delivery.Delivered, delivery.Accepted, delivery.OnTheWay},
		{delivery.Delivered, delivery.Delivered, delivery.Repeated},
		{delivery.Delivered, delivery.Failed, delivery.Contradicted},
		{delivery.Failed, delivery.Accepted, delivery.OnTheWay},
		{delivery.Failed, delivery.Failed, delivery.Repeated},
		{delivery.Failed, delivery.Delivered, delivery.Contradicted},
	} {
		require.Equal(t, tc.want, tc.stands.Hears(tc.said), "%s hears %s", tc.stands, tc.said)
	}
}

func TestSaysNo(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"NO", "no", "No.", "  nO \n", "NO!!!", "\"No\"", "„Nein“", "nein", "NEIN", "non", "Non !", "«non»", "\u200bNO\u200b", "- no -", "\U0001F6AB no", "no\u00a0"} {
		require.True(t, delivery.SaysNo(text), "%q", text)
	}
	for _, text := range []string{
		"", " ", "yes", "ja", "oui", "STOP", "stop", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "ARRET", "START", "HELP", "N", "n o", "no no", "no thanks",
		"NON MERCI", "nope", "know", "not", "no1", "1no", "nó", "no\u0301", "nо", "no" + strings.Repeat("!", 40), "\xff", "\xffno\xff\x00x", "It was not me, no", "nein danke",
	} {
		require.False(t, delivery.SaysNo(text), "%q", text)
	}
}

// Whatever a stranger writes, what is taken for NO is one of the three words with nothing of a word beside it.
func FuzzSaysNo(f *testing.F) {
	for _, seed := range []string{"NO", " nein! ", "«non»", "STOP", "no no", "\xff", "\u0130no", "no\u0301"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !delivery.SaysNo(text) {
			return
		}
		require.LessOrEqual(t, utf8.RuneCountInString(text), 32)
		low := strings.ToLower(text)
		found := ""
		for _, word := range []string{"nein", "non", "no"} {
			if strings.Contains(low, word) {
				found = word
				break
			}
		}
		require.NotEmpty(t, found)
		require.True(t, delivery.SaysNo(found))
		require.False(t, delivery.SaysNo(text+"x"))
	})
}

// double is a Store, an Objector and Metrics that remember what they were asked.
type double struct {
	mu      sync.Mutex
	reports []delivery.Report
	heard   delivery.Heard
	kept    map[string]delivery.KeptReply
	told    []delivery.Told
	done    []string
	refuse  map[string]error
	objects []delivery.Told
	counted []string
	down    error
}

func (d *double) Report(_ context.Context, r delivery.Report) (delivery.Heard, error) {
	d.reports = append(d.reports, r)
	return d.heard, d.down
}

func (d *double) TakeReply(_ context.Context, r delivery.KeptReply) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, had := d.kept[r.Reference]
	d.kept[r.Reference] = r
	return !had, d.down
}

func (d *double) Reply(context.Context, string, string) ([]delivery.Told, error) {
	return d.told, d.down
}

func (d *double) ReplyHeard(_ context.Context, provider, reference string) error {
	d.done = append(d.done, provider+" "+reference)
	return nil
}

func (d *double) ObjectByReply(_ context.Context, told delivery.Told) error {
	d.objects = append(d.objects, told)
	return d.refuse[told.Recovery]
}

func (d *double) Delivery(channel, kind, fate, verdict string) {
	d.counted = append(d.counted, fmt.Sprintf("%s %s %s %s", channel, kind, fate, verdict))
}

type metrics struct{ *double }

func (m metrics) Reply(outcome string) { m.counted = append(m.counted, outcome) }

func service(t *testing.T) (*delivery.Service, *double, *secret.Keyring) {
	t.Helper()
	keys, err := secret.GenerateKeyring(rand.Reader)
	require.NoError(t, err)
	d := &double{kept: map[string]delivery.KeptReply{}, refuse: map[string]error{}}
	return delivery.NewService(delivery.Config{Store: d, Objector: d, Keys: keys, Metrics: metrics{d}}), d, keys
}

func TestReport_WritesDownWhatIsFinalAndCountsTheRest(t *testing.T) {
	t.Parallel()
	s, d, _ := service(t)
	d.heard = delivery.Heard{Verdict: delivery.Settled, Channel: "sms", Kind: "hold_entered"}
	require.NoError(t, s.Report(t.Context(), delivery.Report{Provider: "twilio", Reference: "SM1", Fate: delivery.Accepted}))
	require.Empty(t, d.reports, "nothing is written for a message on its way")
	require.NoError(t, s.Report(t.Context(), delivery.Report{Provider: "smtp", Reference: "ntc_1@example.com", Fate: delivery.Failed}))
	require.Equal(t, delivery.Undelivered, d.reports[0].Reason, "a failure has a reason")
	require.Equal(t, []string{"  accepted on_the_way", "sms hold_entered failed settled"}, d.counted)

	for _, bad := range []delivery.Report{{}, {Provider: "x", Reference: "y"}, {Provider: "x", Reference: "y", Fate: "odd"}, {Reference: "y", Fate: delivery.Failed}, {Provider: "x", Fate: delivery.Failed}} {
		require.Error(t, s.Report(t.Context(), bad))
	}
	d.down = fault.Of(fault.CodeUnavailable)
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(s.Report(t.Context(), delivery.Report{Provider: "x", Reference: "y", Fate: delivery.Failed})))
}

func TestReply_KeepsANoByHashAndNothingElse(t *testing.T) {
	t.Parallel()
	s, d, keys := service(t)
	reply := func(reference, text string) error {
		return s.Reply(t.Context(), delivery.Reply{Provider: "twilio", Reference: reference, From: secret.NewString("+15550100123"), Text: text})
	}
	require.NoError(t, reply("SM1", "who are you?"))
	require.NoError(t, reply("SM2", "STOP"))
	require.Empty(t, d.kept)
	require.NoError(t, reply("SM3", "Nein!"))
	require.NoError(t, reply("SM3", "Nein!"))
	require.Equal(t, map[string]delivery.KeptReply{"SM3": {Provider: "twilio", Reference: "SM3", Hashes: keys.MACs(secret.PurposeReply, "+15550100123")}}, d.kept)
	require.Equal(t, []string{"other_words", "other_words", "repeated"}, d.counted)
	d.down = fault.Of(fault.CodeUnavailable)
	require.Equal(t, fault.CodeUnavailable, fault.CodeOf(reply("SM4", "no")), "what could not be kept is said again by the provider")
}

// All that were told hear it; one that is over keeps none of the others from it; what fails is tried again.
func TestHear_TellsEveryRecoveryThatWasToldThere(t *testing.T) {
	t.Parallel()
	s, d, _ := service(t)
	d.told = []delivery.Told{{Tenant: "a", Recovery: "rcv_over"}, {Tenant: "a", Recovery: "rcv_1"}, {Tenant: "b", Recovery: "rcv_2"}}
	d.refuse["rcv_over"] = fault.Of(fault.CodeObjectionRefused)
	require.NoError(t, s.Hear(t.Context(), delivery.ReplyID("twilio", "SM1")))
	require.Equal(t, d.told, d.objects)
	require.Equal(t, []string{"twilio SM1"}, d.done)
	require.Equal(t, []string{"heard"}, d.counted)

	d.refuse["rcv_2"] = fault.Of(fault.CodeConflict)
	require.Equal(t, fault.CodeConflict, fault.CodeOf(s.Hear(t.Context(), delivery.ReplyID("twilio", "SM2"))))
	require.Len(t, d.done, 1, "not heard yet")
	d.told = nil
	require.NoError(t, s.Hear(t.Context(), delivery.ReplyID("twilio", "SM3")))
	require.Equal(t, []string{"heard", "nothing_to_stop"}, d.counted)
}
