package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/fault"
)

// deepest is how deep arrays and objects may be nested; the contract needs four.
const deepest = 32

// parseStrict reads exactly one JSON value (RFC 8259) as Go's generic types, numbers as json.Number. It refuses, as
// fault.CodeInvalidJSON, what parsers are known to read differently from each other: bytes that are no UTF-8, unpaired
// surrogates, a repeated name, anything after the value, and nesting beyond 32. Control characters in a text are
// fault.CodeInvalidRequest: no field of the contract has a use for them. No error repeats a value.
func parseStrict(data []byte) (any, error) {
	if !utf8.Valid(data) {
		return nil, malformed("The body is not UTF-8.")
	}
	if unpairedSurrogate(data) {
		return nil, malformed("The body has an unpaired surrogate.")
	}
	p := strictParser{decoder: json.NewDecoder(bytes.NewReader(data))}
	p.decoder.UseNumber()
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("The body goes on after its JSON value.")
	}
	return value, nil
}

const noValue = "The body is not one well-formed JSON value."

type strictParser struct {
	decoder *json.Decoder
	path    []string
}

// value reads the next value.
func (p *strictParser) value(depth int) (any, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, malformed(noValue)
	}
	switch token := token.(type) {
	case json.Delim:
		if depth == deepest {
			return nil, malformed("The body is nested too deeply.")
		}
		if token == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case string:
		return token, p.text(token)
	default:
		return token, nil
	}
}

func (p *strictParser) object(depth int) (any, error) {
	out := map[string]any{}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return nil, malformed(noValue)
		}
		if err := p.text(name); err != nil {
			return nil, err
		}
		if _, again := out[name]; again {
			return nil, malformed("The body repeats a name in an object.")
		}
		p.path = append(p.path, name)
		if out[name], err = p.value(depth); err != nil {
			return nil, err
		}
		p.path = p.path[:len(p.path)-1]
	}
	return out, p.end()
}

func (p *strictParser) array(depth int) (any, error) {
	out := []any{}
	for p.decoder.More() {
		p.path = append(p.path, strconv.Itoa(len(out)))
		item, err := p.value(depth)
		if err != nil {
			return nil, err
		}
		out = append(out, item)
		p.path = p.path[:len(p.path)-1]
	}
	return out, p.end()
}

// end reads the closing bracket.
func (p *strictParser) end() error {
	if _, err := p.decoder.Token(); err != nil {
		return malformed(noValue)
	}
	return nil
}

func (p *strictParser) text(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return fault.Of(fault.CodeInvalidRequest).At(pointerOf(p.path), "has a control character")
	}
	return nil
}

func malformed(public string) error { return fault.Of(fault.CodeInvalidJSON).Detail(public) }

// unpairedSurrogate reports whether an escape names half a character. encoding/json would replace it in silence, and two
// different texts would become one.
func unpairedSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(data[i:])
		switch {
		case !ok:
			i++ // another escape, or an error that the decoder will find
		case unit >= 0xD800 && unit < 0xDC00:
			low, ok := escapedUnit(data[i+6:])
			if !ok || low < 0xDC00 || low > 0xDFFF {
				return true
			}
			i += 11
		case unit >= 0xDC00 && unit <= 0xDFFF:
			return true
		default:
			i += 5
		}
	}
	return false
}

// escapedUnit reads \uXXXX at the start of data.
func escapedUnit(data []byte) (uint64, bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	return unit, err == nil
}

// pointerOf writes a JSON Pointer (RFC 6901). A name that could not be a field of ours is not repeated: the pointer ends there.
func pointerOf(path []string) string {
	var b strings.Builder
	for _, name := range path {
		if !safeName(name) {
			break
		}
		b.WriteString("/" + name)
	}
	return b.String()
}

// safeName reports whether a name may be repeated to the caller: 1 to 40 letters, digits, '_' or '-'.
func safeName(name string) bool {
	return name != "" && len(name) <= 40 && !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}
