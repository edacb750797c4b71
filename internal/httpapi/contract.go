package httpapi

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/holdfast/holdfast/internal/fault"
)

// mostFields bounds the list of invalid fields in one problem document.
const mostFields = 20

// contract is the OpenAPI document, read once. Checking a body is a walk over its schema: nothing is compiled for a request.
type contract struct {
	doc *openapi3.T
}

// operation is what the contract says about one route. The nil operation has no opinion.
type operation struct {
	params map[string]*openapi3.Schema
	query  map[string]*openapi3.Schema
	body   *openapi3.Schema // nil when there is none, or it is no JSON
}

func loadContract(text []byte) (*contract, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("the contract is not valid: %w", err)
	}
	return &contract{doc: doc}, nil
}

// operation finds the contract's word on a route; nil when it has none.
func (c *contract) operation(method, path string) *operation {
	item := c.doc.Paths.Value(path)
	if item == nil {
		return nil
	}
	found := item.Operations()[method]
	if found == nil {
		return nil
	}
	op := &operation{params: map[string]*openapi3.Schema{}, query: map[string]*openapi3.Schema{}}
	for _, p := range slices.Concat(item.Parameters, found.Parameters) {
		switch p.Value.In {
		case openapi3.ParameterInPath:
			op.params[p.Value.Name] = p.Value.Schema.Value
		case openapi3.ParameterInQuery:
			op.query[p.Value.Name] = p.Value.Schema.Value
		}
	}
	if found.RequestBody != nil {
		if media := found.RequestBody.Value.Content[mediaJSON]; media != nil {
			op.body = media.Schema.Value
		}
	}
	return op
}

// validParam reports whether a path's parameter is as the contract says. One that the contract does not know is not.
func (o *operation) validParam(name, value string) bool {
	if o == nil {
		return false
	}
	schema, ok := o.params[name]
	return ok && schema.VisitJSON(value, openapi3.FailFast()) == nil
}

// readQuery reads a query as strictly as a body: parameters that the contract names, each once and of its form. Only reads of
// lists have any; they filter, and hold nothing personal.
func (o *operation) readQuery(raw string) (map[string]string, error) {
	out := map[string]string{}
	if raw == "" {
		return out, nil
	}
	if o == nil || len(o.query) == 0 {
		return nil, fault.Of(fault.CodeInvalidRequest).At("query", "is not supported")
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fault.Of(fault.CodeInvalidRequest).At("query", "cannot be read")
	}
	for name, given := range values {
		schema, known := o.query[name]
		switch {
		case !known && safeName(name):
			return nil, fault.Of(fault.CodeInvalidRequest).At("query "+name, "is not a parameter of this request")
		case !known:
			return nil, fault.Of(fault.CodeInvalidRequest).At("query", "has a parameter that this request does not have")
		case len(given) != 1:
			return nil, fault.Of(fault.CodeInvalidRequest).At("query "+name, "is there more than once")
		case !fits(schema, given[0]):
			return nil, fault.Of(fault.CodeInvalidRequest).At("query "+name, "does not have the right form")
		}
		out[name] = given[0]
	}
	return out, nil
}

// fits reports whether a parameter's text is what its schema says.
func fits(schema *openapi3.Schema, text string) bool {
	if schema.Type.Is(openapi3.TypeInteger) {
		n, err := strconv.ParseInt(text, 10, 64)
		return err == nil && strconv.FormatInt(n, 10) == text && schema.VisitJSON(float64(n), openapi3.FailFast()) == nil
	}
	if schema.Type.Is(openapi3.TypeBoolean) {
		return text == "true" || text == "false"
	}
	return schema.VisitJSON(text, openapi3.FailFast()) == nil
}

// checkBody checks a parsed body. The fault names the fields and never their values.
func (o *operation) checkBody(value any) error {
	if o == nil || o.body == nil {
		return nil
	}
	err := o.body.VisitJSON(value, openapi3.MultiErrors())
	if err == nil {
		return nil
	}
	f := fault.Of(fault.CodeInvalidRequest)
	for _, field := range fieldsOf(err) {
		if len(f.Fields) == mostFields {
			break
		}
		f = f.At(field.Pointer, field.Detail)
	}
	return f
}

// fieldsOf names what a validation found. It takes the place and the rule from it, never its text, which may hold values.
func fieldsOf(err error) []fault.Field {
	var many openapi3.MultiError
	if errors.As(err, &many) {
		var out []fault.Field
		for _, one := range many {
			out = append(out, fieldsOf(one)...)
		}
		return out
	}
	var one *openapi3.SchemaError
	if !errors.As(err, &one) {
		return []fault.Field{{Detail: "does not meet the contract"}}
	}
	at := pointerOf(one.JSONPointer())
	if one.SchemaField == "properties" {
		return []fault.Field{unknownField(at, one)}
	}
	return []fault.Field{{Pointer: at, Detail: detailOf(one.SchemaField)}}
}

// unknownField names a field that the contract does not have, if its name may be repeated.
func unknownField(at string, err *openapi3.SchemaError) fault.Field {
	_, rest, _ := strings.Cut(err.Reason, `"`)
	if name, _, ok := strings.Cut(rest, `"`); ok && safeName(name) {
		return fault.Field{Pointer: at + "/" + name, Detail: "is not a field of this request"}
	}
	return fault.Field{Pointer: at, Detail: "has a field that this request does not have"}
}

// detailOf says in plain words which rule of JSON Schema was broken.
func detailOf(rule string) string {
	switch rule {
	case "required":
		return "is required"
	case "type":
		return "is of the wrong type"
	case "nullable":
		return "must not be null"
	case "enum":
		return "is not one of the listed values"
	case "minLength":
		return "is too short"
	case "maxLength":
		return "is too long"
	case "pattern", "format":
		return "does not have the right form"
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		return "is out of range"
	case "minItems":
		return "has too few items"
	case "maxItems":
		return "has too many items"
	default:
		return "does not meet the contract"
	}
}
