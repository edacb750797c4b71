package web

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// spec is as much of an OpenAPI document as the reference page shows. What has an order worth keeping stays a node.
type spec struct {
	Info struct {
		Title       string `yaml:"title"`
		Version     string `yaml:"version"`
		Summary     string `yaml:"summary"`
		Description string `yaml:"description"`
	} `yaml:"info"`
	Tags []struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	} `yaml:"tags"`
	Paths      yaml.Node `yaml:"paths"`
	Components struct {
		Parameters    map[string]specParameter `yaml:"parameters"`
		Responses     map[string]specResponse  `yaml:"responses"`
		RequestBodies map[string]specBody      `yaml:"requestBodies"`
		Schemas       yaml.Node                `yaml:"schemas"`
	} `yaml:"components"`
}

type specOperation struct {
	Tags        []string               `yaml:"tags"`
	OperationID string                 `yaml:"operationId"`
	Summary     string                 `yaml:"summary"`
	Description string                 `yaml:"description"`
	Security    *[]map[string][]string `yaml:"security"`
	Parameters  []specParameter        `yaml:"parameters"`
	RequestBody *specBody              `yaml:"requestBody"`
	Responses   yaml.Node              `yaml:"responses"`
}

type specParameter struct {
	Ref         string     `yaml:"$ref"`
	Name        string     `yaml:"name"`
	In          string     `yaml:"in"`
	Required    bool       `yaml:"required"`
	Description string     `yaml:"description"`
	Schema      specSchema `yaml:"schema"`
	Example     yaml.Node  `yaml:"example"`
}

type specBody struct {
	Ref         string               `yaml:"$ref"`
	Required    bool                 `yaml:"required"`
	Description string               `yaml:"description"`
	Content     map[string]specMedia `yaml:"content"`
}

type specResponse struct {
	Ref         string               `yaml:"$ref"`
	Description string               `yaml:"description"`
	Content     map[string]specMedia `yaml:"content"`
}

type specMedia struct {
	Schema  specSchema `yaml:"schema"`
	Example yaml.Node  `yaml:"example"`
}

type specSchema struct {
	Ref         string      `yaml:"$ref"`
	Type        string      `yaml:"type"`
	Format      string      `yaml:"format"`
	Description string      `yaml:"description"`
	Enum        []string    `yaml:"enum"`
	Pattern     string      `yaml:"pattern"`
	MinLength   int         `yaml:"minLength"`
	MaxLength   int         `yaml:"maxLength"`
	Minimum     *int64      `yaml:"minimum"`
	Maximum     *int64      `yaml:"maximum"`
	MaxItems    int         `yaml:"maxItems"`
	Required    []string    `yaml:"required"`
	Items       *specSchema `yaml:"items"`
	Properties  yaml.Node   `yaml:"properties"`
}

// refName is the last part of a reference.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// typeText says in words what a schema takes.
func (s specSchema) typeText() string {
	switch {
	case s.Ref != "":
		return ""
	case s.Type == "array" && s.Items != nil && s.Items.Ref == "":
		return "list of " + s.Items.typeText()
	case s.Type == "array":
		return "list of"
	case s.Format != "" && s.Type == "string":
		return s.Format
	default:
		return s.Type
	}
}

// target is the schema that a schema is, or is a list of, by name; empty when it has none.
func (s specSchema) target() string {
	if s.Ref != "" {
		return refName(s.Ref)
	}
	if s.Items != nil && s.Items.Ref != "" {
		return refName(s.Items.Ref)
	}
	return ""
}

// limits says in words what a value may be.
func (s specSchema) limits() []string {
	var out []string
	if s.MinLength > 1 {
		out = append(out, "at least "+strconv.Itoa(s.MinLength)+" characters")
	}
	if s.MaxLength > 0 && s.Format == "" && len(s.Enum) == 0 {
		out = append(out, "at most "+strconv.Itoa(s.MaxLength)+" characters")
	}
	if s.Minimum != nil {
		out = append(out, "from "+strconv.FormatInt(*s.Minimum, 10))
	}
	if s.Maximum != nil {
		out = append(out, "to "+strconv.FormatInt(*s.Maximum, 10))
	}
	if s.MaxItems > 0 {
		out = append(out, "at most "+strconv.Itoa(s.MaxItems)+" items")
	}
	return out
}

// pairs gives a mapping's keys and values in their order.
func pairs(n *yaml.Node, each func(key string, value *yaml.Node) error) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if err := each(n.Content[i].Value, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// exampleText writes an example as it would be sent: JSON with its fields in the contract's order, or the text itself.
func exampleText(n *yaml.Node) (string, error) {
	if n.IsZero() {
		return "", nil
	}
	if n.Kind == yaml.ScalarNode {
		return strings.TrimSpace(n.Value), nil
	}
	var b strings.Builder
	err := writeJSON(&b, n, "")
	return b.String(), err
}

func writeJSON(b *strings.Builder, n *yaml.Node, indent string) error {
	const step = "  "
	switch n.Kind {
	case yaml.MappingNode, yaml.SequenceNode:
		open, closing, width := "{", "}", 2
		if n.Kind == yaml.SequenceNode {
			open, closing, width = "[", "]", 1
		}
		b.WriteString(open)
		for i := 0; i < len(n.Content); i += width {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n" + indent + step)
			if width == 2 {
				b.WriteString(strconv.Quote(n.Content[i].Value) + ": ")
			}
			if err := writeJSON(b, n.Content[i+width-1], indent+step); err != nil {
				return err
			}
		}
		if len(n.Content) > 0 {
			b.WriteString("\n" + indent)
		}
		b.WriteString(closing)
		return nil
	case yaml.ScalarNode:
		if n.Tag == "!!int" || n.Tag == "!!bool" || n.Tag == "!!float" || n.Tag == "!!null" {
			b.WriteString(n.Value)
			return nil
		}
		text, err := json.Marshal(n.Value)
		b.Write(text)
		return err
	case yaml.DocumentNode, yaml.AliasNode:
		return errors.New("an example must be plain")
	default:
		return errors.New("an example must be plain")
	}
}
