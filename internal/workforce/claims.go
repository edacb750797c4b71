package workforce

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/credential"
)

// unix is an instant as JWTs write it: seconds, possibly with a fraction. Text, booleans and what is far from any real time are
// refused.
type unix float64

// UnmarshalJSON implements json.Unmarshaler.
func (u *unix) UnmarshalJSON(text []byte) error {
	var f float64
	if err := json.Unmarshal(text, &f); err != nil {
		return err //nolint:wrapcheck // the caller hides it.
	}
	if f < 0 || f > 1<<40 {
		return errors.New("no instant")
	}
	*u = unix(f)
	return nil
}

func (u unix) time() time.Time { return time.Unix(int64(u), 0).UTC() }

// many is one text or several.
type many []string

// UnmarshalJSON implements json.Unmarshaler.
func (m *many) UnmarshalJSON(text []byte) error {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return err //nolint:wrapcheck // the caller hides it.
	}
	*m = texts(value)
	return nil
}

// texts reads one text, or a list of them; anything else is none.
func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	default:
		return nil
	}
}

// claim finds a claim by its name, or else by a path of names with dots between them.
func (c claims) claim(name string) any {
	if v, ok := c.all[name]; ok {
		return v
	}
	var at any = c.all
	for part := range strings.SplitSeq(name, ".") {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[part]
	}
	return at
}

// roles are what the configured claim grants.
func (i Issuer) rolesOf(c claims) []credential.Role {
	var out []credential.Role
	for _, value := range texts(c.claim(i.RolesClaim)) {
		out = append(out, i.Roles[value]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tenantsOf are those whom the person serves. The configured list limits what a claim may say.
func (i Issuer) tenantsOf(c claims) []string {
	if i.TenantsClaim == "" {
		return slices.Clone(i.Tenants)
	}
	var out []string
	for _, t := range texts(c.claim(i.TenantsClaim)) {
		if t != "" && (len(i.Tenants) == 0 || slices.Contains(i.Tenants, t)) {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// personOf is what identifies the human, whatever the account. An address counts when it is verified. Without the
// claim it is the account itself, where that is allowed.
func (i Issuer) personOf(c claims) (string, error) {
	text, _ := c.claim(i.PersonClaim).(string)
	text = strings.TrimSpace(text)
	if i.PersonClaim == "email" {
		if verified := c.claim("email_verified"); verified != true && verified != "true" {
			text = ""
		}
	}
	switch {
	case text != "":
		return text, nil
	case *i.NeedPerson:
		return "", refuse("%s, which tells one person's accounts to be one person's, is missing or not verified", i.PersonClaim)
	default:
		return i.Issuer + "|" + c.subject, nil
	}
}

// machine reports whether the token was given to a client for itself and not to a person: its subject is the client (RFC 9068,
// section 5), or it says so as Auth0 (gty), Microsoft Entra (idtyp) and Keycloak (the name of its service accounts) do, whose
// subject is another.
func (c claims) machine() bool {
	name, _ := c.claim("preferred_username").(string)
	return c.subject == c.ClientID || c.subject == c.Party || slices.Contains(texts(c.claim("gty")), "client-credentials") ||
		!slices.Contains([]any{nil, "", "user"}, c.claim("idtyp")) || strings.HasPrefix(strings.ToLower(name), "service-account-")
}
