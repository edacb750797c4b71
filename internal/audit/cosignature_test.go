package audit_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
)

// cosigner is a witness written from C2SP tlog-cosignature alone.
type cosigner struct {
	name string
	key  ed25519.PrivateKey
}

func newCosigner(name string, number byte) cosigner {
	return cosigner{name, ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+number)), ed25519.SeedSize)))}
}

func (c cosigner) typed(kind byte) []byte {
	return append([]byte{kind}, c.key.Public().(ed25519.PublicKey)...)
}

func (c cosigner) id(kind byte) []byte {
	sum := sha256.Sum256(append([]byte(c.name+"\n"), c.typed(kind)...))
	return sum[:4]
}

func (c cosigner) verifier(kind byte) string {
	return fmt.Sprintf("%s+%x+%s", c.name, c.id(kind), base64.StdEncoding.EncodeToString(c.typed(kind)))
}

func (c cosigner) line(text string, seconds uint64) string {
	raw := binary.BigEndian.AppendUint64(c.id(4), seconds)
	raw = append(raw, ed25519.Sign(c.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text))...)
	return "— " + c.name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
}

func (c cosigner) witness(t testing.TB) audit.Witness {
	t.Helper()
	w, err := audit.ParseWitness(c.verifier(4))
	require.NoError(t, err)
	return w
}

//
func TestParseWitness_TakesCosignersAndNothingElse(t *testing.T) {
	t.Parallel()
	c := newCosigner("witness.example/w1", 1)
	require.Equal(t, "witness.example/w1", c.witness(t).Name())
	good := c.verifier(4)
	for name, key := range map[string]string{
		"empty":               "",
		"a log's key":         c.verifier(1),
		"post-quantum":        c.verifier(6),
		"another hash":        strings.Replace(good, "+", "+0", 1)[:len(good)],
		"another name":        "x" + good,
		"no name":             good[len(c.name):],
		"a blank in the name": "a b" + good[len(c.name):],
		"cut short":           good[:len(good)-4],
		"no key":              c.name + "+00000000+",
		"upper case":          c.name + "+" + strings.ToUpper(fmt.Sprintf("%x", c.id(4))) + "+" + base64.StdEncoding.EncodeToString(c.typed(4)),
		"an end of line":      good + "\n",
	} {
		_, err := audit.ParseWitness(key)
		require.ErrorIs(t, err, audit.ErrWitnessKey, name)
	}
	other := cosigner{"witness.example/w2", c.key}
	_, err := audit.ParseWitnesses([]string{good, other.verifier(4)})
	require.Error(t, err, "one key under two names is one witness")
	_, err = audit.ParseWitnesses([]string{good, newCosigner(c.name, 2).verifier(4)})
	require.Error(t, err)
	two, err := audit.ParseWitnesses([]string{good, newCosigner("witness.example/w2", 2).verifier(4)})
	require.NoError(t, err)
	require.Len(t, two, 2)
}

//
func TestCosignature_IsCheckedWithItsTime(t *testing.T) {
	t.Parallel()
	text := someCheckpoint().Text()
	c, other := newCosigner("witness.example/w1", 1), newCosigner("witness.example/w2", 2)
	w := c.witness(t)
	got, err := w.Cosignature(text, other.line(text, 5)+c.line(text, 1700000000)+c.line(text, 1600000000))
	require.NoError(t, err)
	require.Equal(t, audit.Cosignature{Witness: c.name, At: time.Unix(1700000000, 0).UTC(), Line: c.line(text, 1700000000)}, got, "the newest")

	raw, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(strings.TrimPrefix(c.line(text, 1700000000), "— "+c.name+" "), "\n"))
	require.NoError(t, err)
	raw[11]++ // one second later than what was signed
	later := "— " + c.name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	for name, lines := range map[string]string{
		"none":                 "",
		"of another alone":     other.line(text, 1700000000),
		"of another text":      c.line("x"+text, 1700000000),
		"with another time":    later,
		"before the beginning": c.line(text, 1<<63),
		"a wrong one beside":   c.line(text, 1700000000) + later,
		"without its end":      strings.TrimSuffix(c.line(text, 1700000000), "\n"),
		"not lines":            "<html>" + c.line(text, 1700000000),
		"too many":             strings.Repeat(c.line(text, 1700000000), 65),
		"an ordinary signature": "— " + c.name + " " + base64.StdEncoding.EncodeToString(
			append(c.id(4), ed25519.Sign(c.key, []byte(text))...)) + "\n",
	} {
		_, err := w.Cosignature(text, lines)
		require.ErrorIs(t, err, audit.ErrCosignature, name)
	}
}

// sixteen signatures are taken, unknown ones are passed over, and one of a known witness that is wrong ruins the note.
func TestCosignatures_AreFoundInANoteThatTheLogSigned(t *testing.T) {
	t.Parallel()
	point := someCheckpoint()
	signed, err := audit.SignCheckpoint(point, seed(1))
	require.NoError(t, err)
	var all []audit.Witness
	for i := range byte(16) {
		c := newCosigner(fmt.Sprintf("witness.example/w%d", i), i)
		all = append(all, c.witness(t))
		signed = append(signed, c.line(point.Text(), 1700000000+uint64(i))...)
	}
	stranger := newCosigner("witness.example/stranger", 20)
	got, err := audit.Cosignatures(signed, append(all[:2:2], stranger.witness(t)))
	require.NoError(t, err)
	require.Len(t, got, 2)
	got, err = audit.Cosignatures(signed, all)
	require.NoError(t, err)
	require.Len(t, got, 16)
	opened, err := audit.OpenCheckpoint(signed, []string{seed(1).verifier(t)})
	require.NoError(t, err, "the log's own signature is as good with theirs beside it")
	require.Equal(t, point, opened)

	_, err = audit.Cosignatures(append(signed, stranger.line("x", 1)...), []audit.Witness{stranger.witness(t)})
	require.ErrorIs(t, err, audit.ErrCosignature)
	_, err = audit.Cosignatures([]byte("no note"), all)
	require.ErrorIs(t, err, audit.ErrCheckpoint)
}

// The example of C2SP tlog-cosignature has a witness whose key is not published with it: its line is at least read as one.
func TestCosignature_PassesOverTheSpecificationsExample(t *testing.T) {
	t.Parallel()
	const note = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n" +
		"— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n" +
		"— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
	got, err := audit.Cosignatures([]byte(note), []audit.Witness{newCosigner("witness.example.com/w1", 1).witness(t)})
	require.NoError(t, err, "same name, another key: not the witness that we know")
	require.Empty(t, got)
}

func FuzzCosignature(f *testing.F) {
	c := newCosigner("witness.example/w1", 1)
	text := someCheckpoint().Text()
	f.Add(c.line(text, 1700000000))
	f.Add(c.line("x", 1) + "— a AAAAAAA=\n")
	w, err := audit.ParseWitness(c.verifier(4))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, lines string) {
		got, err := w.Cosignature(text, lines)
		if err != nil {
			require.ErrorIs(t, err, audit.ErrCosignature)
			return
		}
		require.Contains(t, lines, got.Line)
		again, err := w.Cosignature(text, got.Line)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

func FuzzParseWitness(f *testing.F) {
	f.Add(newCosigner("witness.example/w1", 1).verifier(4))
	f.Add("a+00000000+BA==")
	f.Fuzz(func(t *testing.T, key string) {
		w, err := audit.ParseWitness(key)
		if err == nil {
			require.True(t, strings.HasPrefix(key, w.Name()+"+"))
			require.True(t, audit.ValidOrigin(w.Name()))
		}
	})
}

// who verifies names witnesses and how many of them must have cosigned; without them the export is not good, by name.
func TestVerify_DemandsAQuorumOfWitnesses(t *testing.T) {
	t.Parallel()
	x := export(t, 3, false)
	text := x.checkpoint(t).Text()
	one, two, three := newCosigner("witness.example/w1", 1), newCosigner("witness.example/w2", 2), newCosigner("witness.example/w3", 3)
	x.header.Checkpoint += one.line(text, 1700000000) + two.line(text, 1700000001)
	witnesses := []audit.Witness{one.witness(t), two.witness(t), three.witness(t)}
	for name, tc := range map[string]struct {
		asked  []audit.Witness
		quorum int
		found  int
		wrong  string
	}{
		"nobody is asked for": {},
		"two of three":        {asked: witnesses, quorum: 2, found: 2},
		"all of two":          {asked: witnesses[:2], found: 2},
		"all of three":        {asked: witnesses, found: 2, wrong: "cosignatures of 2 of the witnesses, and 3 are demanded"},
		"a stranger":          {asked: witnesses[2:], wrong: "cosignatures of 0"},
	} {
		r, err := audit.Verify(strings.NewReader(exportText(t, x)), audit.VerifyConfig{Keys: x.header.Keys, Witnesses: tc.asked, Quorum: tc.quorum})
		require.NoError(t, err)
		require.Len(t, r.Cosigned, tc.found, name)
		if tc.wrong == "" {
			require.Empty(t, r.Problems, name)
			continue
		}
		require.Len(t, r.Problems, 1, name)
		require.Contains(t, r.Problems[0].What, tc.wrong, name)
	}
	x.header.Checkpoint += three.line("x"+text, 1700000000)
	r, err := audit.Verify(strings.NewReader(exportText(t, x)), audit.VerifyConfig{Keys: x.header.Keys, Witnesses: witnesses, Quorum: 2})
	require.NoError(t, err)
	require.Contains(t, r.Problems[0].What, "not good", "a wrong one of a witness that is known ruins it (R-179)")
}

// exportText puts an export together.
func exportText(t testing.TB, x exported) string {
	t.Helper()
	all := append([]string{jsonLine(t, x.header)}, x.lines...)
	return strings.Join(append(all, jsonLine(t, audit.ExportEnd{End: true, Lines: int64(len(x.lines))}), ""), "\n")
}
