package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast/holdfast/internal/fault"
)

// maxDocument is the largest document that is read, in bytes.
const maxDocument = 64 << 10

// Problem is one thing that keeps a document from loading.
type Problem struct {
	Path        string // dotted, as populations.consumer.methods; empty for the document as a whole
	Line        int    // counted from 1; 0 where it cannot be told
	Requirement string // the requirement that the document is below, where it is one
	Message     string
}

// String renders the problem for an operator.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Requirement != "" {
		b.WriteString(" (" + p.Requirement + "; below the floor, unless deviations names it)")
	}
	return b.String()
}

// DocumentError lists everything that is wrong with a document, in the order of its lines.
type DocumentError struct{ Problems []Problem }

// Error lists the problems, one per line.
func (e *DocumentError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// FromYAML reads, validates and compiles a policy document. A document that is not well formed, not complete, or below the
// floor without naming the requirement does not load: the error is fault.CodePolicyInvalid with a *DocumentError in its
// chain, which names path and line of everything wrong.
func FromYAML(b []byte) (*Policy, error) {
	root, doc, err := parse(b)
	if err != nil {
		return nil, err
	}
	c := &checker{doc: doc, root: root, below: map[string]bool{}}
	c.validate()
	rules := c.compile()
	if len(c.problems) == 0 {
		c.judgeFloor()
	}
	if len(c.problems) > 0 {
		return nil, invalid(c.sorted()...)
	}
	sum := sha256.Sum256(b)
	return &Policy{doc: doc, hash: hex.EncodeToString(sum[:]), rules: rules, below: c.below}, nil
}

// parse turns bytes into one strict document and its tree, which knows the lines.
func parse(b []byte) (*yaml.Node, document, error) {
	var doc document
	if len(b) > maxDocument {
		return nil, doc, invalid(Problem{Message: fmt.Sprintf("the document is over %d bytes", maxDocument)})
	}
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		return nil, doc, invalid(fromYAML(err)...)
	}
	if alias := findAlias(&root); alias != nil {
		return nil, doc, invalid(Problem{Line: alias.Line, Message: "anchors and aliases are not allowed: write it out"})
	}
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, doc, invalid(Problem{Message: "the document is empty"})
		}
		return nil, doc, invalid(fromYAML(err)...)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, doc, invalid(Problem{Message: "one document is expected, there are several"})
	}
	for signal, w := range laterWeights() {
		if _, weighed := doc.Signals[signal]; !weighed && doc.Signals != nil {
			doc.Signals[signal] = w
		}
	}
	return &root, doc, nil
}

// fromYAML turns the library's errors into problems. They carry "line n:" in front.
func fromYAML(err error) []Problem {
	messages := []string{err.Error()}
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		messages = typed.Errors
	}
	out := make([]Problem, len(messages))
	for i, m := range messages {
		out[i].Message = strings.ReplaceAll(strings.TrimPrefix(m, "yaml: "), "policy.", "")
		rest, ok := strings.CutPrefix(out[i].Message, "line ")
		if !ok {
			continue
		}
		if number, text, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				out[i] = Problem{Line: line, Message: text}
			}
		}
	}
	return out
}

// findAlias finds the first anchor or alias. Shared and self-containing nodes have no place in a document that people review.
func findAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return n
	}
	for _, child := range n.Content {
		if found := findAlias(child); found != nil {
			return found
		}
	}
	return nil
}

// invalid is the fault for a document with these problems.
func invalid(problems ...Problem) error {
	f := fault.Of(fault.CodePolicyInvalid).Because(&DocumentError{Problems: problems})
	for _, p := range problems {
		f = f.At("/"+strings.ReplaceAll(p.Path, ".", "/"), p.String())
	}
	return f
}

// lineOf finds the line of a dotted path, or of its longest part that exists.
func lineOf(root *yaml.Node, path string) int {
	node := root
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	line := 0
	for part := range strings.SplitSeq(path, ".") {
		key, value := child(node, part)
		if value == nil {
			break
		}
		line, node = key.Line, value
	}
	return line
}

func child(node *yaml.Node, part string) (key, value *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == part {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	}
	return nil, nil
}
