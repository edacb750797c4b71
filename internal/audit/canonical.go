package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// ErrNotCanonical says that a text is not in the one form that its value has.
var ErrNotCanonical = errors.New("audit: not in canonical form")

// appendCanonical writes a JSON value in its one form: members sorted by the bytes of their names, no white space, the fewest
// escapes (RFC 8785, 3.2.2.2), numbers as digits without an exponent. It takes what decode gives, strings and maps of strings.
//
// Unlike RFC 8785 it leaves the digits of a number alone, so that no int64 is rounded; PostgreSQL's jsonb writes them the same way.
func appendCanonical(out []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		if v {
			return append(out, "true"...), nil
		}
		return append(out, "false"...), nil
	case string:
		return appendString(out, v)
	case json.Number:
		if !plainNumber(string(v)) {
			return nil, fmt.Errorf("%w: the number %q", ErrNotCanonical, string(v))
		}
		return append(out, v...), nil
	case []any:
		return appendList(out, v)
	case map[string]any:
		return appendObject(out, v)
	default:
		return nil, fmt.Errorf("%w: a value of type %T", ErrNotCanonical, value)
	}
}

func appendList(out []byte, list []any) ([]byte, error) {
	out = append(out, '[')
	var err error
	for i, item := range list {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendCanonical(out, item); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendObject(out []byte, object map[string]any) ([]byte, error) {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	out = append(out, '{')
	var err error
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendString(out, name); err != nil {
			return nil, err
		}
		out = append(out, ':')
		if out, err = appendCanonical(out, object[name]); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

const hexDigits = "0123456789abcdef"

func appendString(out []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%w: a text that is not UTF-8", ErrNotCanonical)
	}
	out = append(out, '"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\b':
			out = append(out, `\b`...)
		case c == '\f':
			out = append(out, `\f`...)
		case c == '\n':
			out = append(out, `\n`...)
		case c == '\r':
			out = append(out, `\r`...)
		case c == '\t':
			out = append(out, `\t`...)
		case c < 0x20:
			out = append(out, `\u00`...)
			out = append(out, hexDigits[c>>4], hexDigits[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"'), nil
}

// plainNumber reports whether the text is a JSON number without an exponent and without a zero that is negative.
func plainNumber(s string) bool {
	digits := s
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	whole, fraction, has := digits, "", false
	if i := bytes.IndexByte([]byte(digits), '.'); i >= 0 {
		whole, fraction, has = digits[:i], digits[i+1:], true
	}
	if whole == "" || (len(whole) > 1 && whole[0] == '0') || (has && fraction == "") {
		return false
	}
	zero := true
	for _, part := range []string{whole, fraction} {
		for i := range len(part) {
			if part[i] < '0' || part[i] > '9' {
				return false
			}
			zero = zero && part[i] == '0'
		}
	}
	return !zero || s[0] != '-'
}

// decodeJSON reads one JSON value and keeps the digits of its numbers.
func decodeJSON(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return v, nil
}

// ParseDetails reads the details of an event as the database or an export has them. An empty object is nil.
func ParseDetails(text []byte) (map[string]any, error) {
	v, err := decodeJSON(text)
	if err != nil {
		return nil, fmt.Errorf("details: %w", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("details: not an object")
	}
	if len(m) == 0 {
		return nil, nil //nolint:nilnil // no details are none.
	}
	return m, nil
}

// Canonical gives the one form of a JSON text.
func Canonical(text []byte) ([]byte, error) {
	v, err := decodeJSON(text)
	if err != nil {
		return nil, err
	}
	return appendCanonical(nil, v)
}
