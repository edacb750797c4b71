package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// LeafVersion is the version of the encoding that is written. ParseLeaf reads it and every earlier one, for ever: a sealed leaf
// is never encoded anew.
const LeafVersion = 1

// SaltSize is the size of a salt in bytes.
const SaltSize = 16

// Personal is what an event says about the person behind the request. It lies outside the tree and beside the event, with a salt
// of its own, and is destroyed when the account is erased.
type Personal struct {
	Salt      []byte
	Origin    string // the truncated network prefix of the end user
	RequestID string // of the caller's choice: it leads into the caller's own logs
}

// Entry is an event as it is kept, with the salts of what its leaf commits to.
type Entry struct {
	Event    Event     // its Origin and RequestID are empty: they are in Personal
	Salt     []byte    // of the links
	Personal *Personal // nil when there was none, or when it was destroyed
}

// Leaf is what the tree holds of an event: what happened when, in clear, and salted hashes of who and what it was about. Nothing
// in it leads to a person or to another event once the salts are gone.
type Leaf struct {
	Tenant        string
	ID            string
	At            time.Time // microseconds, UTC
	ActorKind     ActorKind
	Action        Action
	Outcome       Outcome
	Version       int64
	From, To      string
	Reason        string
	PolicyVersion string
	Links         []byte // commits to subject, account, recovery, actor's id and details
	Personal      []byte // commits to origin and request id; nil when there were none
}

// The labels keep a commitment of one kind from being shown as another.
const (
	linksLabel    = "holdfast/audit/links/v1\n"
	personalLabel = "holdfast/audit/personal/v1\n"
)

// LeafOf makes the leaf of an entry.
func LeafOf(e Entry) (Leaf, error) {
	if len(e.Salt) != SaltSize {
		return Leaf{}, errors.New("audit: an entry without its salt")
	}
	links, err := commitLinks(e.Salt, e.Event)
	if err != nil {
		return Leaf{}, err
	}
	l := leafInClear(e.Event)
	l.Links = links
	if e.Personal != nil {
		if l.Personal, err = commitPersonal(*e.Personal); err != nil {
			return Leaf{}, err
		}
	}
	return l, nil
}

// leafInClear is the part of the leaf that stands in clear.
func leafInClear(e Event) Leaf {
	return Leaf{
		Tenant: e.Tenant, ID: e.ID, At: e.At.UTC().Truncate(time.Microsecond), ActorKind: e.Actor.Kind, Action: e.Action, Outcome: e.Outcome,
		Version: e.Version, From: e.From, To: e.To, Reason: e.Reason, PolicyVersion: e.PolicyVersion,
	}
}

func commitLinks(salt []byte, e Event) ([]byte, error) {
	details := e.Details
	if details == nil {
		details = map[string]any{}
	}
	return commit(linksLabel, salt, map[string]any{
		"account": e.Account, "actor": e.Actor.ID, "details": details, "recovery": e.Recovery, "subject": e.Subject,
	})
}

func commitPersonal(p Personal) ([]byte, error) {
	if len(p.Salt) != SaltSize {
		return nil, errors.New("audit: personal data without its salt")
	}
	return commit(personalLabel, p.Salt, map[string]any{"origin": p.Origin, "request_id": p.RequestID})
}

// commit hashes a value together with its salt. The salt is of one size, so that no two pairs of salt and value run together.
func commit(label string, salt []byte, value map[string]any) ([]byte, error) {
	text := append([]byte(label), salt...)
	text, err := appendCanonical(text, value)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}

// leafTime is RFC 3339 in UTC with exactly six digits of a second: what PostgreSQL keeps.
const leafTime = "2006-01-02T15:04:05.000000Z"

// Encode writes the leaf in its one form: canonical JSON, with what is empty left out.
func (l Leaf) Encode() ([]byte, error) {
	v := map[string]any{
		"v": json.Number(strconv.Itoa(LeafVersion)), "tenant": l.Tenant, "id": l.ID, "at": l.At.UTC().Format(leafTime),
		"actor": string(l.ActorKind), "action": string(l.Action), "outcome": string(l.Outcome),
		"links": base64.StdEncoding.EncodeToString(l.Links),
	}
	if l.Version > 0 {
		v["version"] = json.Number(strconv.FormatInt(l.Version, 10))
	}
	if l.Personal != nil {
		v["personal"] = base64.StdEncoding.EncodeToString(l.Personal)
	}
	for name, text := range map[string]string{"from": l.From, "to": l.To, "reason": l.Reason, "policy": l.PolicyVersion} {
		if text != "" {
			v[name] = text
		}
	}
	return appendCanonical(make([]byte, 0, 384), v)
}

// leafWire is the encoding of version 1.
type leafWire struct {
	V        int       `json:"v"`
	Tenant   string    `json:"tenant"`
	ID       string    `json:"id"`
	At       string    `json:"at"`
	Actor    ActorKind `json:"actor"`
	Action   Action    `json:"action"`
	Outcome  Outcome   `json:"outcome"`
	Version  int64     `json:"version"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Reason   string    `json:"reason"`
	Policy   string    `json:"policy"`
	Links    string    `json:"links"`
	Personal string    `json:"personal"`
}

// ParseLeaf reads a leaf. What is not exactly what Encode would have written for some leaf is ErrNotCanonical: one leaf has one
// text. A version that this program does not know is refused by its number.
func ParseLeaf(text []byte) (Leaf, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var w leafWire
	if err := dec.Decode(&w); err != nil {
		var v struct {
			V int `json:"v"`
		}
		if json.Unmarshal(text, &v) == nil && v.V != LeafVersion {
			return Leaf{}, fmt.Errorf("audit: a leaf of version %d, which this program does not know", v.V)
		}
		return Leaf{}, ErrNotCanonical
	}
	if w.V != LeafVersion {
		return Leaf{}, fmt.Errorf("audit: a leaf of version %d, which this program does not know", w.V)
	}
	at, err := time.Parse(leafTime, w.At)
	if err != nil {
		return Leaf{}, ErrNotCanonical
	}
	l := Leaf{
		Tenant: w.Tenant, ID: w.ID, At: at, ActorKind: w.Actor, Action: w.Action, Outcome: w.Outcome, Version: w.Version,
		From: w.From, To: w.To, Reason: w.Reason, PolicyVersion: w.Policy,
	}
	if l.Links, err = parseSum(w.Links); err != nil {
		return Leaf{}, err
	}
	if w.Personal != "" {
		if l.Personal, err = parseSum(w.Personal); err != nil {
			return Leaf{}, err
		}
	}
	again, err := l.Encode()
	if err != nil || !bytes.Equal(again, text) {
		return Leaf{}, ErrNotCanonical
	}
	return l, nil
}

func parseSum(text string) ([]byte, error) {
	sum, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(sum) != sha256.Size {
		return nil, ErrNotCanonical
	}
	return sum, nil
}

// A Difference names what of an entry is not what its leaf says.
type Difference string

// The differences.
const (
	DiffersInClear    Difference = "event"    // a field that stands in clear in the leaf
	DiffersInLinks    Difference = "links"    // subject, account, recovery, actor's id or details
	DiffersInPersonal Difference = "personal" // origin or request id
)

// Compare tells in what an entry differs from the leaf that was sealed. Personal data that is gone differs in nothing: it may
// have been destroyed; Missing tells.
func (l Leaf) Compare(e Entry) ([]Difference, error) {
	var out []Difference
	if !l.sameInClear(leafInClear(e.Event)) {
		out = append(out, DiffersInClear)
	}
	links, err := commitLinks(e.Salt, e.Event)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(links, l.Links) {
		out = append(out, DiffersInLinks)
	}
	if e.Personal == nil {
		return out, nil
	}
	personal, err := commitPersonal(*e.Personal)
	if err != nil || !bytes.Equal(personal, l.Personal) {
		out = append(out, DiffersInPersonal)
	}
	return out, nil
}

// sameInClear reports whether both say the same in clear. A version below one is none, as Encode has it.
func (l Leaf) sameInClear(o Leaf) bool {
	return l.Tenant == o.Tenant && l.ID == o.ID && l.At.Equal(o.At) && l.ActorKind == o.ActorKind && l.Action == o.Action && l.Outcome == o.Outcome &&
		max(l.Version, 0) == max(o.Version, 0) && l.From == o.From && l.To == o.To && l.Reason == o.Reason && l.PolicyVersion == o.PolicyVersion
}

// Missing reports whether personal data that was sealed is not there any more.
func (l Leaf) Missing(e Entry) bool { return l.Personal != nil && e.Personal == nil }
