package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Witness is somebody else who looks at every checkpoint, compares it with the one before, and cosigns it: what the log's operator
// cannot do alone (C2SP tlog-cosignature, the Ed25519 form "cosignature/v1"; R-180).
type Witness struct {
	name   string
	id     uint32
	public string // the key's 32 bytes; comparable
}

// The type of a witness' Ed25519 key, in its verifier key and its key ID (C2SP signed-note), and of a log's, which is often taken for it.
const (
	typeEd25519     = 0x01
	typeCosignature = 0x04
)

// ErrWitnessKey says that a text is no verifier key of a witness.
var ErrWitnessKey = errors.New("audit: not the verifier key of a witness (name+hash+key of type 4, an Ed25519 cosigner)")

// ErrCosignature says that a witness' signature line is wrong.
var ErrCosignature = errors.New("audit: the cosignature is not good")

// ParseWitness reads a witness' verifier key, name+hash+base64, as witnesses publish it (C2SP signed-note, type 4). Post-quantum keys
// (type 6) and the keys of logs (type 1) are refused.
func ParseWitness(key string) (Witness, error) {
	name, rest, _ := strings.Cut(key, "+")
	hash, encoded, ok := strings.Cut(rest, "+")
	raw, err := decodeStrict(encoded)
	if !ok || err != nil || len(hash) != 8 || !ValidOrigin(name) || len(raw) == 0 {
		return Witness{}, ErrWitnessKey
	}
	if raw[0] == typeEd25519 {
		return Witness{}, fmt.Errorf("%w: this one is of type 1, a log's", ErrWitnessKey)
	}
	if raw[0] != typeCosignature || len(raw) != 1+ed25519.PublicKeySize {
		return Witness{}, ErrWitnessKey
	}
	w := Witness{name: name, id: keyID(name, raw), public: string(raw[1:])}
	if n, err := strconv.ParseUint(hash, 16, 32); err != nil || uint32(n) != w.id || strings.ToLower(hash) != hash { //nolint:gosec // it was parsed into 32 bits.
		return Witness{}, fmt.Errorf("%w: its hash is not that of its name and key", ErrWitnessKey)
	}
	return w, nil
}

// keyID is SHA-256(name || LF || type and key)[:4] (C2SP signed-note).
func keyID(name string, typed []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), typed...))
	return binary.BigEndian.Uint32(sum[:])
}

// decodeStrict decodes base64 that has one form: package base64 passes over ends of lines.
func decodeStrict(encoded string) ([]byte, error) {
	if strings.ContainsAny(encoded, "\r\n") {
		return nil, ErrCosignature
	}
	return base64.StdEncoding.Strict().DecodeString(encoded)
}

// ParseWitnesses reads the keys of several. Two of one name or of one key are refused: they would count as two and be one.
func ParseWitnesses(keys []string) ([]Witness, error) {
	out := make([]Witness, 0, len(keys))
	for _, k := range keys {
		w, err := ParseWitness(k)
		if err != nil {
			return nil, err
		}
		for _, other := range out {
			if other.name == w.name || other.public == w.public {
				return nil, fmt.Errorf("audit: %s is named twice, or under two names", w.name)
			}
		}
		out = append(out, w)
	}
	return out, nil
}

// Name is what the witness calls itself.
func (w Witness) Name() string { return w.name }

// Cosignature is a witness' word that, at that time, this was the newest tree of the log that it had seen, and a continuation of
// all that it had seen before.
type Cosignature struct {
	Witness string
	At      time.Time
	Line    string // the signature line, with its end
}

// mostLines bounds the signature lines that are looked at; C2SP signed-note wants 16 at least.
const mostLines = 64

// Cosignature finds the witness' own among signature lines, and checks it against the text that was signed (Checkpoint.Text).
// Lines of others are passed over (C2SP signed-note); one that is the witness' and is wrong is ErrCosignature, as is none. Of
// several the newest is taken.
func (w Witness) Cosignature(text, lines string) (Cosignature, error) {
	found, n := Cosignature{}, 0
	for line := range strings.Lines(lines) {
		if n++; n > mostLines {
			return Cosignature{}, fmt.Errorf("%w: more than %d lines", ErrCosignature, mostLines)
		}
		name, raw, err := parseSignatureLine(line)
		if err != nil {
			return Cosignature{}, err
		}
		if name != w.name || binary.BigEndian.Uint32(raw) != w.id {
			continue
		}
		at, err := w.check(text, raw[4:])
		if err != nil {
			return Cosignature{}, err
		}
		if found.Line == "" || at.After(found.At) {
			found = Cosignature{Witness: w.name, At: at, Line: line}
		}
	}
	if found.Line == "" {
		return Cosignature{}, fmt.Errorf("%w: there is none by %s", ErrCosignature, w.name)
	}
	return found, nil
}

// parseSignatureLine reads "— name base64(key ID and signature)" with its end.
func parseSignatureLine(line string) (name string, raw []byte, err error) {
	rest, begins := strings.CutPrefix(line, "— ")
	rest, ends := strings.CutSuffix(rest, "\n")
	name, encoded, ok := strings.Cut(rest, " ")
	raw, err = decodeStrict(encoded)
	if !begins || !ends || !ok || err != nil || name == "" || len(raw) < 5 {
		return "", nil, fmt.Errorf("%w: not a signature line", ErrCosignature)
	}
	return name, raw, nil
}

// check checks a timestamped signature: eight bytes of seconds, big-endian, and an Ed25519 signature over header, time and text.
func (w Witness) check(text string, signature []byte) (time.Time, error) {
	if len(signature) != 8+ed25519.SignatureSize {
		return time.Time{}, ErrCosignature
	}
	seconds := binary.BigEndian.Uint64(signature)
	if seconds > math.MaxInt64 {
		return time.Time{}, ErrCosignature
	}
	if !ed25519.Verify(ed25519.PublicKey(w.public), CosignedMessage(text, seconds), signature[8:]) {
		return time.Time{}, fmt.Errorf("%w: %s did not sign this", ErrCosignature, w.name)
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}

// CosignedMessage is what a witness signs: header, time in seconds since 1970, and the checkpoint's text.
func CosignedMessage(text string, seconds uint64) []byte {
	return []byte("cosignature/v1\ntime " + strconv.FormatUint(seconds, 10) + "\n" + text)
}

// Cosignatures finds what each of the witnesses added to a signed checkpoint. Who added nothing is left out; a line of one of them
// that is wrong is ErrCosignature. The log's own signature is not looked at: OpenCheckpoint does that.
func Cosignatures(signed []byte, witnesses []Witness) ([]Cosignature, error) {
	text, lines, err := splitNote(signed)
	if err != nil {
		return nil, err
	}
	var out []Cosignature
	for _, w := range witnesses {
		c, err := w.Cosignature(text, lines)
		if err != nil {
			if w.absent(lines) {
				continue
			}
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// absent reports whether no line carries the witness' name and key ID.
func (w Witness) absent(lines string) bool {
	for line := range strings.Lines(lines) {
		name, raw, err := parseSignatureLine(line)
		if err != nil || (name == w.name && binary.BigEndian.Uint32(raw) == w.id) {
			return false
		}
	}
	return true
}

// splitNote separates the text of a note from its signature lines, at the last empty line.
func splitNote(signed []byte) (text, lines string, err error) {
	i := strings.LastIndex(string(signed), "\n\n")
	if i < 0 {
		return "", "", ErrCheckpoint
	}
	return string(signed[:i+1]), string(signed[i+2:]), nil
}
