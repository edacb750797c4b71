package config

import (
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// Mode says whether real people are behind the accounts.
type Mode string

// The modes.
const (
	Production Mode = "production"
	Dev        Mode = "dev"
)

// Role is what one node does.
type Role string

// The roles.
const (
	Serve Role = "serve"
	Work  Role = "work"
	Both  Role = "both"
)

// Preset is a policy that ships with the service.
type Preset string

// The presets.
const (
	Balanced Preset = "balanced"
	NIST     Preset = "nist"
)

// LimitStore is where limits are counted.
type LimitStore string

// The stores of limits.
const (
	InPostgres LimitStore = "postgres"
	InRedis    LimitStore = "redis"
)

// TLSMode is how the connection to the mail server is protected.
type TLSMode string

// The modes of protection. With StartTLS the server must offer it: a connection is never continued in clear.
const (
	StartTLS TLSMode = "starttls"
	Implicit TLSMode = "implicit"
	NoTLS    TLSMode = "none"
)

// LogFormat is the form of log lines.
type LogFormat string

// The formats.
const (
	JSON LogFormat = "json"
	Text LogFormat = "text"
)

// Countries is a list of countries, ISO 3166 in two capital letters.
type Countries []string

// errCountries does not repeat what it was given.
var errCountries = errors.New("must be countries such as GB,DE")

// UnmarshalText reads countries separated by commas.
func (c *Countries) UnmarshalText(text []byte) error {
	var out Countries
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		if len(part) != 2 || strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return errCountries
		}
		out = append(out, part)
	}
	*c = out
	return nil
}

// MarshalText writes the countries as they are read.
func (c Countries) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String is the countries as they are read.
func (c Countries) String() string { return strings.Join(c, ",") }

// Prefixes is a list of network prefixes. An address alone stands for itself.
type Prefixes []netip.Prefix

// errPrefixes does not repeat what it was given.
var errPrefixes = errors.New("must be network prefixes such as 10.0.0.0/8,fd00::/8")

// UnmarshalText reads prefixes separated by commas. Bits below the mask are cleared; a prefix of IPv4-mapped IPv6 is refused.
func (p *Prefixes) UnmarshalText(text []byte) error {
	var out Prefixes
	for part := range strings.SplitSeq(string(text), ",") {
		part = strings.TrimSpace(part)
		prefix, err := netip.ParsePrefix(part)
		if addr, addrErr := netip.ParseAddr(part); addrErr == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil || prefix.Addr().Is4In6() {
			return errPrefixes
		}
		out = append(out, prefix.Masked())
	}
	*p = out
	return nil
}

// MarshalText writes the prefixes as they are read.
func (p Prefixes) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String is the prefixes as they are read.
func (p Prefixes) String() string {
	parts := make([]string, len(p))
	for i, prefix := range p {
		parts[i] = prefix.String()
	}
	return strings.Join(parts, ",")
}

// Witness is who cosigns the audit log's checkpoints.
type Witness struct {
	Key    string // its verifier key (name+hash+base64)
	Prefix string // what its calls' addresses begin with
}

// Witnesses is a list of witnesses.
type Witnesses []Witness

// errWitnesses does not repeat what it was given.
var errWitnesses = errors.New("must be a verifier key, a blank and an address for each witness, separated by commas")

// UnmarshalText reads witnesses separated by commas. Keys and addresses are judged when the whole is checked.
func (w *Witnesses) UnmarshalText(text []byte) error {
	var out Witnesses
	for part := range strings.SplitSeq(string(text), ",") {
		fields := strings.Fields(part)
		if len(fields) != 2 {
			return errWitnesses
		}
		out = append(out, Witness{Key: fields[0], Prefix: strings.TrimSuffix(fields[1], "/")})
	}
	*w = out
	return nil
}

// MarshalText writes the witnesses as they are read.
func (w Witnesses) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// String is the witnesses as they are read.
func (w Witnesses) String() string {
	parts := make([]string, len(w))
	for i, x := range w {
		parts[i] = x.Key + " " + x.Prefix
	}
	return strings.Join(parts, ",")
}

// Keys are the witnesses' verifier keys.
func (w Witnesses) Keys() []string {
	out := make([]string, len(w))
	for i, x := range w {
		out[i] = x.Key
	}
	return out
}

// Bytes is a size. It is written as a whole number with one of the units B, KiB, MiB, GiB; without a unit it is bytes.
type Bytes int64

// The units.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
)

// errSize does not repeat what it was given.
var errSize = errors.New("must be a size such as 64KiB, 2MiB or 1GiB")

// UnmarshalText reads a size. Signs, fractions, blanks and overflow are refused.
func (b *Bytes) UnmarshalText(text []byte) error {
	digits, unit := string(text), Bytes(1)
	for _, u := range []struct {
		suffix string
		size   Bytes
	}{{"KiB", KiB}, {"MiB", MiB}, {"GiB", GiB}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, unit = rest, u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || digits[0] == '+' || Bytes(n) > math.MaxInt64/unit {
		return errSize
	}
	*b = Bytes(n) * unit
	return nil
}

// MarshalText writes the size in the largest unit that divides it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String is the size in the largest unit that divides it.
func (b Bytes) String() string {
	switch {
	case b != 0 && b%GiB == 0:
		return strconv.FormatInt(int64(b/GiB), 10) + "GiB"
	case b != 0 && b%MiB == 0:
		return strconv.FormatInt(int64(b/MiB), 10) + "MiB"
	case b != 0 && b%KiB == 0:
		return strconv.FormatInt(int64(b/KiB), 10) + "KiB"
	default:
		return strconv.FormatInt(int64(b), 10) + "B"
	}
}
