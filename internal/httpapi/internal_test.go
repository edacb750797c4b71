package httpapi

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api"
	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/recovery"
)

func TestRoutes_AreTheContractsAndEachHasARule(t *testing.T) {
	t.Parallel()
	doc, err := loadContract(api.OpenAPI())
	require.NoError(t, err)
	inContract := map[string]bool{}
	for path, item := range doc.doc.Paths.Map() {
		for method := range item.Operations() {
			inContract[method+" "+path] = true
		}
	}
	inTable := map[string]bool{}
	for _, rt := range routes() {
		name := rt.method + " " + rt.path
		require.False(t, inTable[name], "%s is there twice", name)
		inTable[name] = true
		require.NotEqual(t, nobody, rt.caller.kind, "%s has no rule for its caller", name)
		require.NotEmpty(t, rt.class, "%s has no limit", name)
		require.False(t, rt.dev, name)

		op := doc.doc.Paths.Value(rt.path).Operations()[rt.method]
		require.NotNil(t, op, "%s is not in the contract", name)
		wantRules(t, name, rt, op)
	}
	require.Equal(t, inContract, inTable)
	for _, rt := range devRoutes() {
		require.True(t, rt.dev && strings.HasPrefix(rt.path, "/dev/"), rt.path)
	}
}

// wantRules compares what the contract promises about callers and keys with what the table does.
func wantRules(t *testing.T, name string, rt route, op *openapi3.Operation) {
	t.Helper()
	var want []string
	for _, k := range rt.caller.by {
		scheme := "bearer"
		switch {
		case k == credential.Workforce:
			scheme = "workforce"
		case rt.caller.kind == claimant:
			scheme = "bearer+claimant"
		}
		if !slices.Contains(want, scheme) {
			want = append(want, scheme)
		}
	}
	have := []string{"bearer"} // what the contract says of all
	if op.Security != nil {
		have = nil
		for _, one := range *op.Security {
			have = append(have, strings.Join(slices.Sorted(maps.Keys(one)), "+"))
		}
	}
	if rt.caller.kind == provider {
		want = []string{"twilio"}
	}
	require.ElementsMatch(t, want, have, "%s: who may call, in the contract and in the table", name)
	if rt.caller.kind != anyone && rt.caller.kind != provider {
		require.Contains(t, op.Description, "`"+string(rt.caller.scope)+"`", "%s names its scope", name)
	}
	key := op.Parameters.GetByInAndName(openapi3.ParameterInHeader, "Idempotency-Key")
	switch rt.key {
	case keyNone:
		require.Nil(t, key, name)
	case keyRequired:
		require.True(t, key != nil && key.Required, name)
	case keyOptional:
		require.True(t, key != nil && !key.Required, name)
	}
	require.Equal(t, rt.body == bodyNone, op.RequestBody == nil, name)
	if rt.body != bodyNone {
		require.Equal(t, rt.body != bodyMaybe, op.RequestBody.Value.Required, name)
	}
}

func TestContract_KnowsTheCodesAndWordsOfTheCode(t *testing.T) {
	t.Parallel()
	doc, err := loadContract(api.OpenAPI())
	require.NoError(t, err)
	enum := func(schema string) []string {
		var out []string
		for _, v := range doc.doc.Components.Schemas[schema].Value.Enum {
			text, ok := v.(string)
			require.True(t, ok)
			out = append(out, text)
		}
		return out
	}
	var codes, states, methods []string
	for _, c := range fault.Codes() {
		codes = append(codes, string(c))
	}
	for _, s := range recovery.States() {
		states = append(states, string(s))
	}
	for _, m := range factor.Methods() {
		methods = append(methods, string(m))
	}
	require.Equal(t, codes, enum("ProblemCode"))
	require.Equal(t, states, enum("State"))
	require.Equal(t, methods, enum("Method"))
}

func TestContract_IsValidWithItsExamplesAndClosedEverywhere(t *testing.T) {
	t.Parallel()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(api.OpenAPI())
	require.NoError(t, err)
	require.NoError(t, doc.Validate(loader.Context, openapi3.EnableExamplesValidation()))
	for name, ref := range doc.Components.Schemas {
		require.NotEmpty(t, ref.Value.Description, name)
		requireClosed(t, name, ref)
	}
}

// requireClosed demands bounds on everything, and of JSON Schema only the words that the check at run time understands in full.
func requireClosed(t *testing.T, name string, ref *openapi3.SchemaRef) {
	t.Helper()
	s := ref.Value
	require.NotNil(t, s, name)
	switch {
	case strings.HasSuffix(name, "AuditEvent.details") || strings.HasSuffix(name, "events[].details") || strings.HasSuffix(name, ".event.details"):
		// The one open object, and in answers only: each action has details of its own, and the vocabulary of actions grows.
	case s.Type.Is("object"):
		require.NotNil(t, s.AdditionalProperties.Has, name)
		require.False(t, *s.AdditionalProperties.Has, name)
		for field, p := range s.Properties {
			requireClosed(t, name+"."+field, p)
			require.True(t, p.Ref != "" || p.Value.Description != "", "%s.%s has no description", name, field)
		}
	case s.Type.Is("array"):
		require.NotNil(t, s.MaxItems, name)
		requireClosed(t, name+"[]", s.Items)
	case s.Type.Is("string"):
		require.NotNil(t, s.MaxLength, "%s has no maxLength", name)
	case s.Type.Is("integer"):
		require.NotNil(t, s.Min, name)
	case s.Type.Is("boolean"):
	default:
		t.Errorf("%s has no single type", name)
	}
	require.True(t, s.Const == nil && s.If == nil && s.Contains == nil && s.PropertyNames == nil && len(s.PatternProperties) == 0 &&
		len(s.DependentSchemas) == 0 && len(s.DependentRequired) == 0 && len(s.PrefixItems) == 0 && len(s.Defs) == 0,
		"%s uses a keyword that is not checked", name)
}

func FuzzParseStrict(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `null`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":{"b":[1,2,{"c":"d"}]}}`, `"\ud83d\ude00"`, `"\ud800"`, `"\\ud800"`,
		`"\udc00"`, `{"a":"\u0000"}`, `[[[[[[]]]]]]`, `{} {}`, `{"a":1e999}`, "\"\xff\"", "\ufeff{}", `{"a"`, `"\u12"`, `tru`, ` 1 `, "[1]\n",
		strings.Repeat("[", 40),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := parseStrict(data)
		if err != nil {
			code := fault.CodeOf(err)
			require.True(t, code == fault.CodeInvalidJSON || code == fault.CodeInvalidRequest, "every refusal is a fault: %v", err)
			return
		}
		require.True(t, json.Valid(data), "what is taken is JSON")
		text, err := json.Marshal(value)
		require.NoError(t, err)
		again, err := parseStrict(text)
		require.NoError(t, err)
		require.True(t, reflect.DeepEqual(value, again), "nothing was lost")
	})
}

func BenchmarkAdmission_ParseAndCheckAStart(b *testing.B) {
	doc, err := loadContract(api.OpenAPI())
	require.NoError(b, err)
	op := doc.operation("POST", "/v1/recoveries")
	body := []byte(`{"identifier":{"type":"email","value":"robin@example.com"},"reason":"lost_mfa","client":{"ip":"203.0.113.7","user_agent":"ExampleApp/4.2","known_device":true}}`)
	b.ReportAllocs()
	for b.Loop() {
		value, err := parseStrict(body)
		if err != nil || op.checkBody(value) != nil {
			b.Fatal("refused")
		}
	}
}
