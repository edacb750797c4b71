package account

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// The bounds of a registration.
const (
	MaxIdentifiers = 10
	MaxChannels    = 10
	maxRef         = 255 // bytes

	// clockSkew is by how much the identity system's clock may be ahead when it says that an address was verified just now.
	clockSkew = time.Minute
)

//nolint:gochecknoglobals // compiled once; they are constants.
var (
	populationForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)
	localeForm     = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$`) // BCP 47, as far as it matters here
)

// registration is a Registration after its checks: canonical texts and their hashes under every key.
type registration struct {
	Registration
	refHashes   [][]byte
	identifiers []namedIdentifier
	channels    []namedChannel
}

type namedIdentifier struct {
	Identifier
	hashes [][]byte // the primary's first
}

type namedChannel struct {
	kind       string
	address    string
	verifiedAt time.Time
	hashes     [][]byte // the primary's first
}

// check judges everything about a registration but its times, which need the database's clock. Every refusal is
// fault.CodeInvalidRequest with a pointer to the field, and repeats no value.
func (s *Service) check(tenant string, r Registration) (registration, error) {
	out := registration{Registration: r}
	if err := checkProfile(r); err != nil {
		return out, err
	}
	out.refHashes = RefHashes(s.Keys, tenant, r.Ref)
	seen := make(map[string]bool, len(r.Identifiers)+len(r.Channels))
	for i, id := range r.Identifiers {
		n, err := s.checkIdentifier(tenant, id)
		if err != nil {
			return out, at(i, "identifiers", err)
		}
		if seen[string(n.hashes[0])] {
			return out, invalid("/identifiers/"+strconv.Itoa(i), "repeats another one")
		}
		seen[string(n.hashes[0])] = true
		out.identifiers = append(out.identifiers, n)
	}
	for i, ch := range r.Channels {
		n, err := s.checkChannel(tenant, ch)
		if err != nil {
			return out, at(i, "channels", err)
		}
		if seen[n.kind+string(n.hashes[0])] {
			return out, invalid("/channels/"+strconv.Itoa(i), "repeats another one")
		}
		seen[n.kind+string(n.hashes[0])] = true
		out.channels = append(out.channels, n)
	}
	return out, nil
}

func checkProfile(r Registration) error {
	switch {
	case !isRef(r.Ref):
		return invalid("/account_ref", "must be 1 to 255 visible characters")
	case !populationForm.MatchString(r.Population):
		return invalid("/population", "must be a name of a to z, 0 to 9 and _, 31 characters at most")
	case r.AAL < 1 || r.AAL > 3:
		return invalid("/assurance/aal", "must be 1, 2 or 3")
	case r.IAL < 0 || r.IAL > 3:
		return invalid("/assurance/ial", "must be 0, 1, 2 or 3")
	case len(r.Locale) > 35 || (r.Locale != "" && !localeForm.MatchString(r.Locale)):
		return invalid("/locale", "must be a language tag")
	case len(r.Identifiers) > MaxIdentifiers:
		return invalid("/identifiers", fmt.Sprintf("must be %d at most", MaxIdentifiers))
	case len(r.Channels) > MaxChannels:
		return invalid("/channels", fmt.Sprintf("must be %d at most", MaxChannels))
	default:
		return nil
	}
}

func isRef(ref string) bool {
	return ref != "" && len(ref) <= maxRef && utf8.ValidString(ref) && strings.TrimSpace(ref) == ref && !strings.ContainsFunc(ref, unprintable)
}

func (s *Service) checkIdentifier(tenant string, id Identifier) (namedIdentifier, error) {
	canonical, err := Canonical(id.Type, id.Value)
	if err != nil {
		return namedIdentifier{}, err
	}
	return namedIdentifier{Identifier: id, hashes: s.Keys.IdentifierHashes(tenant, id.Type, canonical)}, nil
}

func (s *Service) checkChannel(tenant string, ch Channel) (namedChannel, error) {
	typ, ok := addressType(ch.Kind)
	if !ok {
		return namedChannel{}, invalid("/type", "is not one of email, sms, voice")
	}
	address, err := Canonical(typ, ch.Address)
	if err != nil {
		return namedChannel{}, invalid("/address", "is not a usable address of this type")
	}
	if ch.VerifiedAt.IsZero() {
		return namedChannel{}, invalid("/verified_at", "is required: an unverified address is never on file")
	}
	return namedChannel{
		kind: ch.Kind, address: address, verifiedAt: ch.VerifiedAt.UTC().Truncate(time.Microsecond), // as the database keeps it
		hashes: addressHashes(s.Keys, tenant, typ, address),
	}, nil
}

// addressType says which form the addresses of a kind of channel have.
func addressType(kind string) (string, bool) {
	switch kind {
	case "email":
		return TypeEmail, true
	case "sms", "voice":
		return TypePhone, true
	default:
		return "", false
	}
}

// since is from when on a new channel counts as on file. Who registers an account may say how long an address has been
// verified; who changes one may not, for a thief's first change would be a backdated address (T32).
func (c namedChannel) since(now time.Time, firstSight bool) time.Time {
	if firstSight && c.verifiedAt.Before(now) {
		return c.verifiedAt
	}
	return now
}

// checkTimes refuses addresses that are yet to be verified.
func (r registration) checkTimes(now time.Time) error {
	for i, c := range r.channels {
		if c.verifiedAt.After(now.Add(clockSkew)) {
			return invalid("/channels/"+strconv.Itoa(i)+"/verified_at", "is in the future")
		}
	}
	return nil
}

// identifierHashes lists the hashes of all identifiers under all keys.
func (r registration) identifierHashes() [][]byte {
	var out [][]byte
	for _, id := range r.identifiers {
		out = append(out, id.hashes...)
	}
	return out
}

func (r registration) profile() Profile {
	return Profile{Population: r.Population, AAL: r.AAL, IAL: r.IAL, Locale: r.Locale}
}

func invalid(pointer, detail string) *fault.Fault {
	return fault.Of(fault.CodeInvalidRequest).At(pointer, detail)
}

// at moves a fault of one element to its place in the list.
func at(i int, list string, err error) error {
	f := *fault.From(err)
	f.Fields = slices.Clone(f.Fields)
	for n, field := range f.Fields {
		f.Fields[n].Pointer = "/" + list + "/" + strconv.Itoa(i) + strings.TrimPrefix(field.Pointer, "/identifier")
	}
	return &f
}

// reveal gives the registration's texts to the sealing.
func reveal(s secret.String) []byte { return []byte(s.Reveal()) }
