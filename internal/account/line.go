package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// DecodeLine reads one line of an import: one JSON object
//
//	{"account_ref":…,"population":…,"identifiers":[{"type":…,"value":…}],
//	 "channels":[{"type":…,"address":…,"verified_at":…}],"assurance":{"aal":…,"ial":…},"locale":…}
//
// It is as strict as the API: unknown and repeated members, null, another type, names in other letters, bad UTF-8
// and text after the value are refused, with fault.CodeInvalidJSON or CodeInvalidRequest. No fault repeats any of the line.
func DecodeLine(line []byte) (Registration, error) {
	var r Registration
	if !utf8.Valid(line) {
		return r, fault.Of(fault.CodeInvalidJSON).Detail("The line is not UTF-8.")
	}
	d := decoder{json.NewDecoder(bytes.NewReader(line))}
	d.UseNumber()
	err := d.object("", map[string]member{
		"account_ref": d.text(&r.Ref),
		"population":  d.text(&r.Population),
		"identifiers": d.list(MaxIdentifiers, func(at string) error {
			var id Identifier
			err := d.object(at, map[string]member{"type": d.text(&id.Type), "value": d.hidden(&id.Value)})
			r.Identifiers = append(r.Identifiers, id)
			return err
		}),
		"channels": d.list(MaxChannels, func(at string) error {
			var ch Channel
			err := d.object(at, map[string]member{
				"type": d.text(&ch.Kind), "address": d.hidden(&ch.Address), "verified_at": d.instant(&ch.VerifiedAt),
			})
			r.Channels = append(r.Channels, ch)
			return err
		}),
		"assurance": func(at string) error {
			return d.object(at, map[string]member{"aal": d.number(&r.AAL), "ial": d.number(&r.IAL)})
		},
		"locale": d.text(&r.Locale),
	})
	if err != nil {
		return Registration{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Registration{}, fault.Of(fault.CodeInvalidJSON).Detail("There is text after the object.")
	}
	return r, nil
}

// decoder reads JSON token by token: encoding/json's own decoding takes the last of two equal members and any case of a name.
type decoder struct{ *json.Decoder }

// member reads one value; at is its place as a JSON Pointer.
type member func(at string) error

func (d decoder) token() (json.Token, error) {
	t, err := d.Token()
	if err != nil {
		return nil, fault.Of(fault.CodeInvalidJSON) // the decoder's own words may quote the line
	}
	return t, nil
}

func (d decoder) object(at string, members map[string]member) error {
	if err := d.open('{', at, "must be an object"); err != nil {
		return err
	}
	seen := make(map[string]bool, len(members))
	for d.More() {
		t, err := d.token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		read, ok := members[name]
		switch {
		case !ok:
			return invalid(at, "has an unknown member")
		case seen[name]:
			return invalid(at+"/"+name, "is there twice")
		}
		seen[name] = true
		if err := read(at + "/" + name); err != nil {
			return err
		}
	}
	_, err := d.token()
	return err
}

func (d decoder) list(limit int, element member) member {
	return func(at string) error {
		if err := d.open('[', at, "must be a list"); err != nil {
			return err
		}
		for i := 0; d.More(); i++ {
			if i == limit {
				return invalid(at, "has too many elements")
			}
			if err := element(at + "/" + strconv.Itoa(i)); err != nil {
				return err
			}
		}
		_, err := d.token()
		return err
	}
}

func (d decoder) open(delim json.Delim, at, detail string) error {
	t, err := d.token()
	if err != nil {
		return err
	}
	if t != delim {
		return invalid(at, detail)
	}
	return nil
}

func (d decoder) text(into *string) member {
	return func(at string) error {
		t, err := d.token()
		if err != nil {
			return err
		}
		s, ok := t.(string)
		if !ok {
			return invalid(at, "must be a string")
		}
		*into = s
		return nil
	}
}

func (d decoder) hidden(into *secret.String) member {
	return func(at string) error {
		var s string
		err := d.text(&s)(at)
		*into = secret.NewString(s)
		return err
	}
}

func (d decoder) instant(into *time.Time) member {
	return func(at string) error {
		var s string
		if err := d.text(&s)(at); err != nil {
			return err
		}
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return invalid(at, "must be a time as in RFC 3339")
		}
		*into = t.UTC()
		return nil
	}
}

func (d decoder) number(into *int) member {
	return func(at string) error {
		t, err := d.token()
		if err != nil {
			return err
		}
		n, ok := t.(json.Number)
		if !ok {
			return invalid(at, "must be a whole number")
		}
		if *into, err = strconv.Atoi(n.String()); err != nil {
			return invalid(at, "must be a whole number")
		}
		return nil
	}
}
