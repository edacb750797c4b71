package audit_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/audit"
)

// ocsfSchema is what extract.go made of the schema's own files: see testdata/ocsf.
type ocsfSchema struct {
	Version string `json:"version"`
	Types   map[string]struct {
		Base  string `json:"base"`
		Regex string `json:"regex"`
	} `json:"types"`
	Classes map[string]ocsfDefinition `json:"classes"`
	Objects map[string]ocsfDefinition `json:"objects"`
}

type ocsfDefinition struct {
	Caption     string                   `json:"caption"`
	UID         int                      `json:"uid"`
	Category    int                      `json:"category_uid"`
	Constraints map[string][]string      `json:"constraints"`
	Attributes  map[string]ocsfAttribute `json:"attributes"`
}

type ocsfAttribute struct {
	Type        string            `json:"type"`
	Array       bool              `json:"array"`
	Requirement string            `json:"requirement"`
	Enum        map[string]string `json:"enum"`
	Sibling     string            `json:"sibling"`
	Profile     string            `json:"profile"`
	Deprecated  string            `json:"deprecated"`
}

func readSchema(t testing.TB) ocsfSchema {
	t.Helper()
	text, err := os.ReadFile("testdata/ocsf/schema-" + audit.OCSFVersion + ".json")
	require.NoError(t, err)
	var s ocsfSchema
	require.NoError(t, json.Unmarshal(text, &s))
	require.Equal(t, audit.OCSFVersion, s.Version)
	return s
}

// check gives what the schema has against an event. None of its profiles is claimed, so nothing of them may be there.
func (s ocsfSchema) check(event map[string]any) []string {
	uid, _ := event["class_uid"].(float64)
	class, ok := s.Classes[strconv.Itoa(int(uid))]
	if !ok {
		return []string{"class_uid: no such class"}
	}
	found := s.object("", class, event)
	if event["category_uid"] != float64(class.Category) {
		found = append(found, "category_uid is not the class's")
	}
	if activity, _ := event["activity_id"].(float64); event["type_uid"] != uid*100+activity {
		found = append(found, "type_uid is not class_uid * 100 + activity_id")
	}
	if metadata, _ := event["metadata"].(map[string]any); metadata["version"] != s.Version {
		found = append(found, "metadata.version is not the schema's")
	}
	return found
}

func (s ocsfSchema) object(at string, d ocsfDefinition, value map[string]any) (found []string) {
	for name, a := range d.Attributes {
		if _, there := value[name]; a.Requirement == "required" && a.Profile == "" && !there {
			found = append(found, at+name+" is required")
		}
	}
	for rule, names := range d.Constraints {
		n := len(slices.DeleteFunc(slices.Clone(names), func(name string) bool { _, there := value[name]; return !there }))
		if n == 0 || (rule == "just_one" && n > 1) {
			found = append(found, at+rule)
		}
	}
	for name, v := range value {
		a, known := d.Attributes[name]
		switch {
		case !known:
			found = append(found, at+name+" is unknown")
		case a.Profile != "":
			found = append(found, at+name+" belongs to the profile "+a.Profile)
		case a.Deprecated != "":
			found = append(found, at+name+" is deprecated")
		default:
			found = append(found, s.attribute(at, name, a, v, value)...)
		}
	}
	return found
}

func (s ocsfSchema) attribute(at, name string, a ocsfAttribute, v any, beside map[string]any) []string {
	if o, ok := v.(map[string]any); ok {
		if a.Type == "object" {
			return nil // whatever it holds: unmapped
		}
		d, known := s.Objects[a.Type]
		if !known {
			return []string{at + name + ": an object of " + a.Type + ", which the extract leaves out"}
		}
		return s.object(at+name+".", d, o)
	}
	if !s.fits(a.Type, v) {
		return []string{at + name + " is no " + a.Type}
	}
	if a.Enum == nil {
		return nil
	}
	n, _ := v.(float64)
	caption, ok := a.Enum[strconv.Itoa(int(n))]
	if !ok {
		return []string{at + name + " has a value that is not in the enumeration"}
	}
	if said, there := beside[a.Sibling]; there && n != 99 && said != caption {
		return []string{at + a.Sibling + " is not the caption of " + name + ", " + caption}
	}
	return nil
}

// fits reports whether a value is of a scalar type of the schema.
func (s ocsfSchema) fits(name string, v any) bool {
	t, ok := s.Types[name]
	if !ok {
		return false
	}
	base := name
	if t.Base != "" {
		base = t.Base
	}
	switch base {
	case "integer_t", "long_t":
		n, ok := v.(float64)
		return ok && n == math.Trunc(n)
	case "boolean_t":
		_, ok := v.(bool)
		return ok
	case "string_t":
		text, ok := v.(string)
		return ok && (t.Regex == "" || regexp.MustCompile(t.Regex).MatchString(text))
	default:
		return false
	}
}

// everyAction reads the actions out of the source, so that none is forgotten.
func everyAction(t testing.TB) []audit.Action {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "event.go", nil, 0)
	require.NoError(t, err)
	var out []audit.Action
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if kind, named := v, ok; named && kind.Type != nil {
			if id, is := kind.Type.(*ast.Ident); is && id.Name == "Action" {
				text, err := strconv.Unquote(kind.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				out = append(out, audit.Action(text))
			}
		}
		return true
	})
	require.Greater(t, len(out), 80)
	return out
}

// ocsfOf is an event as it is exported and read again.
func ocsfOf(t testing.TB, e audit.Entry) map[string]any {
	t.Helper()
	text, err := json.Marshal(audit.OCSF(e))
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(text, &out))
	return out
}

// every action, by every kind of actor, with and without everything that an event may have, is an event as the pinned
// schema has it.
func TestOCSF_IsWhatTheSchemaSays(t *testing.T) {
	t.Parallel()
	s := readSchema(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	captions := map[string]bool{}
	for _, action := range everyAction(t) {
		for _, kind := range []audit.ActorKind{audit.ActorClient, audit.ActorClaimant, audit.ActorOwner, audit.ActorAgent, audit.ActorAI, audit.ActorOperator, audit.ActorSystem} {
			for _, outcome := range []audit.Outcome{audit.Success, audit.Failure} {
				bare := audit.Entry{Event: audit.Event{ID: "evt_1", Tenant: "acme", At: at, Actor: audit.Actor{Kind: kind}, Action: action, Subject: "rcv_1", Outcome: outcome}}
				full := bare
				full.Event.Actor.ID, full.Event.Account, full.Event.Recovery, full.Event.Version = "cli_1", "acc_1", "rcv_1", 2
				full.Event.From, full.Event.To, full.Event.Reason, full.Event.PolicyVersion = "ready", "granted", "because", "balanced@1"
				full.Event.Details = map[string]any{"n": json.Number("1")}
				full.Personal = &audit.Personal{Salt: make([]byte, audit.SaltSize), Origin: "2001:db8::/48", RequestID: "r"}
				for _, e := range []audit.Entry{bare, full} {
					event := ocsfOf(t, e)
					require.Empty(t, s.check(event), "%s by %s", action, kind)
					captions[event["activity_name"].(string)] = true
				}
			}
		}
	}
	for _, caption := range []string{"Create", "Read", "Update", "Delete", "Preauth", "Password Reset", "MFA Factor Enable", "MFA Factor Disable"} {
		require.True(t, captions[caption], caption)
	}
}

// The check itself finds what is wrong.
func TestOCSF_TheSchemaRefuses(t *testing.T) {
	t.Parallel()
	s := readSchema(t)
	e := audit.Entry{Event: audit.Event{ID: "evt_1", Tenant: "acme", Actor: audit.Actor{Kind: audit.ActorClient, ID: "cli_1"}, Action: audit.ProofAccepted, Subject: "rcv_1", Outcome: audit.Success}}
	for want, change := range map[string]func(map[string]any){
		"class_uid: no such class":          func(m map[string]any) { m["class_uid"] = 1 },
		"user is required":                  func(m map[string]any) { delete(m, "user") },
		"at_least_one":                      func(m map[string]any) { delete(m, "service") },
		"user.at_least_one":                 func(m map[string]any) { delete(m["user"].(map[string]any), "uid") },
		"extra is unknown":                  func(m map[string]any) { m["extra"] = "x" },
		"type_uid is not":                   func(m map[string]any) { m["type_uid"] = 300201 },
		"category_uid is not":               func(m map[string]any) { m["category_uid"] = 4 },
		"activity_id has a value":           func(m map[string]any) { m["activity_id"] = 7; m["type_uid"] = 300207 },
		"activity_name is not the caption":  func(m map[string]any) { m["activity_name"] = "Logon" },
		"device belongs to the profile":     func(m map[string]any) { m["device"] = map[string]any{} },
		"time is no timestamp_t":            func(m map[string]any) { m["time"] = "now" },
		"metadata.product is required":      func(m map[string]any) { delete(m["metadata"].(map[string]any), "product") },
		"metadata.version is not":           func(m map[string]any) { m["metadata"].(map[string]any)["version"] = "1.3.0" },
		"session: an object of session":     func(m map[string]any) { m["session"] = map[string]any{} },
		"user.type_id has a value that":     func(m map[string]any) { m["user"].(map[string]any)["type_id"] = 4 },
		"severity_id is no integer_t":       func(m map[string]any) { m["severity_id"] = 1.5 },
		"status is not the caption of stat": func(m map[string]any) { m["status"] = "Fine" },
	} {
		event := ocsfOf(t, e)
		require.Empty(t, s.check(event))
		change(event)
		text, err := json.Marshal(event)
		require.NoError(t, err)
		var again map[string]any
		require.NoError(t, json.Unmarshal(text, &again))
		found := s.check(again)
		require.NotEmpty(t, found, want)
		require.True(t, slices.ContainsFunc(found, func(f string) bool { return len(f) >= len(want) && f[:len(want)] == want }), "%s in %v", want, found)
	}
}
