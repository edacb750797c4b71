package web

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The reference page's data, as its template reads it.
type (
	referencePage struct {
		Title, Version, Summary string
		Intro                   []paragraph
		Groups                  []referenceGroup
		Schemas                 []referenceSchema
	}
	referenceGroup struct {
		Name       string
		About      []paragraph
		Operations []referenceOperation
	}
	referenceOperation struct {
		ID, Verb, Path, Summary string
		About                   []paragraph
		Auth                    string
		Parameters              []referenceField
		Body                    *referenceBody
		Responses               []referenceResponse
	}
	referenceBody struct {
		Media, Schema, Example string
		Required               bool
	}
	referenceResponse struct {
		Status, Media, Schema, Example string
		About                          []paragraph
	}
	referenceSchema struct {
		Name, Type, Pattern string
		About               []paragraph
		Enum, Limits        []string
		Fields              []referenceField
	}
	referenceField struct {
		Name, In, Type, Schema, Example string
		Required                        bool
		About                           []paragraph
		Enum, Limits                    []string
	}
)

// renderReference makes the page once, of the contract alone.
func renderReference(templates *template.Template, contract []byte) ([]byte, error) {
	var doc spec
	if err := yaml.Unmarshal(contract, &doc); err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	page := referencePage{Title: doc.Info.Title, Version: doc.Info.Version, Summary: doc.Info.Summary, Intro: prose(doc.Info.Description)}
	for _, tag := range doc.Tags {
		page.Groups = append(page.Groups, referenceGroup{Name: tag.Name, About: prose(tag.Description)})
	}
	if err := doc.operations(page.Groups); err != nil {
		return nil, err
	}
	err := pairs(&doc.Components.Schemas, func(name string, node *yaml.Node) error {
		schema, err := referenceSchemaOf(name, node)
		page.Schemas = append(page.Schemas, schema)
		return err
	})
	if err != nil {
		return nil, err
	}
	return execute(templates, "reference.html", page)
}

// operations puts every operation into the group of its tag. One whose tag the contract does not describe is an error: the
// page would be silent about it.
func (s *spec) operations(groups []referenceGroup) error {
	return pairs(&s.Paths, func(path string, item *yaml.Node) error {
		var shared struct {
			Parameters []specParameter `yaml:"parameters"`
		}
		if err := item.Decode(&shared); err != nil {
			return err
		}
		return pairs(item, func(verb string, node *yaml.Node) error {
			if verb == "parameters" {
				return nil
			}
			var op specOperation
			if err := node.Decode(&op); err != nil {
				return err
			}
			at := slices.IndexFunc(groups, func(g referenceGroup) bool { return slices.Contains(op.Tags, g.Name) })
			if at < 0 {
				return fmt.Errorf("%s has no known tag", op.OperationID)
			}
			op.Parameters = slices.Concat(shared.Parameters, op.Parameters)
			out, err := s.operation(strings.ToUpper(verb), path, op)
			groups[at].Operations = append(groups[at].Operations, out)
			return err
		})
	})
}

func (s *spec) operation(verb, path string, op specOperation) (referenceOperation, error) {
	out := referenceOperation{
		ID: op.OperationID, Verb: verb, Path: path, Summary: op.Summary, About: prose(op.Description), Auth: authText(op.Security),
	}
	for _, p := range op.Parameters {
		if p.Ref != "" {
			p = s.Components.Parameters[refName(p.Ref)]
		}
		example, err := exampleText(&p.Example)
		if err != nil {
			return out, err
		}
		field := fieldOf(p.Name, p.Schema, p.Required)
		field.In, field.About, field.Example = p.In, prose(p.Description), example
		out.Parameters = append(out.Parameters, field)
	}
	if op.RequestBody != nil {
		body := *op.RequestBody
		if body.Ref != "" {
			body = s.Components.RequestBodies[refName(body.Ref)]
		}
		media, schema, example, err := mediaOf(body.Content)
		if err != nil {
			return out, err
		}
		out.Body = &referenceBody{Media: media, Schema: schema, Example: example, Required: body.Required}
	}
	err := pairs(&op.Responses, func(status string, node *yaml.Node) error {
		var r specResponse
		if err := node.Decode(&r); err != nil {
			return err
		}
		if r.Ref != "" {
			r = s.Components.Responses[refName(r.Ref)]
		}
		media, schema, example, err := mediaOf(r.Content)
		out.Responses = append(out.Responses, referenceResponse{
			Status: status, Media: media, Schema: schema, Example: example, About: prose(r.Description),
		})
		return err
	})
	return out, err
}

// mediaOf describes the one media type that each body of the contract has.
func mediaOf(content map[string]specMedia) (media, schema, example string, err error) {
	for name, m := range content {
		media, schema = name, m.Schema.target()
		example, err = exampleText(&m.Example)
	}
	return media, schema, example, err
}

func authText(security *[]map[string][]string) string {
	switch {
	case security == nil:
		return "Authorization: Bearer"
	case len(*security) == 0:
		return "none"
	default:
		return "Authorization: Bearer, and Holdfast-Claimant"
	}
}

func referenceSchemaOf(name string, node *yaml.Node) (referenceSchema, error) {
	var s specSchema
	if err := node.Decode(&s); err != nil {
		return referenceSchema{}, err
	}
	out := referenceSchema{
		Name: name, Type: s.typeText(), About: prose(s.Description), Enum: s.Enum, Limits: s.limits(), Pattern: s.Pattern,
	}
	err := pairs(&s.Properties, func(field string, node *yaml.Node) error {
		var p specSchema
		if err := node.Decode(&p); err != nil {
			return err
		}
		out.Fields = append(out.Fields, fieldOf(field, p, slices.Contains(s.Required, field)))
		return nil
	})
	return out, err
}

func fieldOf(name string, s specSchema, required bool) referenceField {
	return referenceField{
		Name: name, Type: s.typeText(), Schema: s.target(), Required: required, About: prose(s.Description), Enum: s.Enum, Limits: s.limits(),
	}
}

// paragraph is a run of text with marks for code and emphasis, the only ones that the contract's descriptions use.
type paragraph []span

type span struct {
	Text       string
	Code, Bold bool
}

// prose splits a description into paragraphs and marks.
func prose(text string) []paragraph {
	var out []paragraph
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if block = strings.Join(strings.Fields(block), " "); block == "" {
			continue
		}
		var p paragraph
		for i, part := range strings.Split(block, "`") {
			if i%2 == 1 {
				p = append(p, span{Text: part, Code: true})
				continue
			}
			for j, run := range strings.Split(part, "**") {
				p = append(p, span{Text: run, Bold: j%2 == 1})
			}
		}
		out = append(out, p)
	}
	return out
}

// IsError reports whether a response is a refusal; those are shown in short.
func (r referenceResponse) IsError() bool { return r.Status >= "400" }

// StatusText is the status in words.
func (r referenceResponse) StatusText() string {
	code := 0
	for _, c := range r.Status {
		code = code*10 + int(c-'0')
	}
	return http.StatusText(code)
}
