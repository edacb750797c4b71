// Package contracttest lets tests check all traffic against the contract: put a Transport into an http.Client, and every
// answer that is not as api/openapi.yaml says fails the test.
package contracttest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/holdfast/holdfast/api"
)

// Transport is an http.RoundTripper that checks answers, and those requests that were accepted: a request that breaks the
// contract has to be refused, a request that keeps it may be. It is safe for concurrent use.
type Transport struct {
	tb   testing.TB
	next http.RoundTripper
	doc  *openapi3.T

	mu   sync.Mutex
	seen map[string]map[int]int
}

// New makes a Transport that sends by next; nil is http.DefaultTransport.
func New(tb testing.TB, next http.RoundTripper) *Transport {
	tb.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		tb.Fatalf("the contract does not load: %v", err)
	}
	if next == nil {
		next = http.DefaultTransport
	}
	return &Transport{tb: tb, next: next, doc: doc, seen: map[string]map[int]int{}}
}

// Seen gives how often each operation answered each status, by operationId.
func (t *Transport) Seen() map[string]map[int]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// RoundTrip implements http.RoundTripper. The answer's body is read to its end and can be read again.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil && strings.HasPrefix(req.Header.Get("Content-Type"), "application/json") {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close()
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	t.check(req, sent, res, body)
	return res, nil
}

func (t *Transport) check(req *http.Request, sent []byte, res *http.Response, body []byte) {
	where := req.Method + " " + req.URL.Path + ": " + res.Status
	for _, name := range []string{"X-Request-Id", "X-Content-Type-Options", "Cache-Control", "Content-Security-Policy", "Referrer-Policy"} {
		if res.Header.Get(name) == "" {
			t.tb.Errorf("%s: no %s", where, name)
		}
	}
	if res.StatusCode >= http.StatusBadRequest && req.Method != http.MethodHead {
		t.checkProblem(where, res, body)
	}
	if strings.HasPrefix(req.URL.Path, "/dev/") {
		return
	}
	op := t.find(req.Method, req.URL.EscapedPath())
	if op == nil {
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			t.tb.Errorf("%s: not in the contract", where)
		}
		return
	}
	t.note(op.OperationID, res.StatusCode)
	if res.StatusCode < http.StatusMultipleChoices {
		t.checkRequest(where, op, req, sent)
	}
	if req.Method != http.MethodHead {
		t.checkAnswer(where, op, res, body)
	}
}

// find matches a path to an operation; literal segments win over parameters.
func (t *Transport) find(method, path string) *openapi3.Operation {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var best *openapi3.Operation
	fewest := len(path) + 1
	for template, item := range t.doc.Paths.Map() {
		op := item.Operations()[method]
		if params, ok := match(template, path); ok && op != nil && params < fewest {
			best, fewest = op, params
		}
	}
	return best
}

// match reports whether a path fits a template, and by how many parameters.
func match(template, path string) (params int, ok bool) {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return 0, false
	}
	for i, segment := range want {
		switch {
		case strings.HasPrefix(segment, "{") && have[i] != "":
			params++
		case segment != have[i]:
			return 0, false
		}
	}
	return params, true
}

func (t *Transport) note(operation string, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[operation] == nil {
		t.seen[operation] = map[int]int{}
	}
	t.seen[operation][status]++
}

func (t *Transport) checkRequest(where string, op *openapi3.Operation, req *http.Request, sent []byte) {
	for name := range req.URL.Query() {
		if p := op.Parameters.GetByInAndName(openapi3.ParameterInQuery, name); p == nil {
			t.tb.Errorf("%s: accepted with a query parameter %s that the contract does not have", where, name)
		}
	}
	for _, p := range op.Parameters {
		value := req.Header.Get(p.Value.Name)
		if p.Value.In != openapi3.ParameterInHeader || (value == "" && !p.Value.Required) {
			continue
		}
		if err := p.Value.Schema.Value.VisitJSON(value); err != nil {
			t.tb.Errorf("%s: accepted with a bad header %s", where, p.Value.Name)
		}
	}
	if op.RequestBody == nil {
		return
	}
	media := op.RequestBody.Value.Content["application/json"]
	if media == nil || (len(sent) == 0 && !op.RequestBody.Value.Required) {
		return
	}
	t.checkJSON(where+": accepted a request against the contract", media.Schema.Value, sent, openapi3.VisitAsRequest())
}

func (t *Transport) checkAnswer(where string, op *openapi3.Operation, res *http.Response, body []byte) {
	declared := op.Responses.Status(res.StatusCode)
	if declared == nil {
		t.tb.Errorf("%s: the contract does not name this status for %s", where, op.OperationID)
		return
	}
	for name, header := range declared.Value.Headers {
		if res.Header.Get(name) == "" && header.Value.Required {
			t.tb.Errorf("%s: no %s", where, name)
		}
	}
	if len(declared.Value.Content) == 0 {
		if len(body) > 0 {
			t.tb.Errorf("%s: a body where the contract has none", where)
		}
		return
	}
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	content := declared.Value.Content[media]
	if err != nil || content == nil {
		t.tb.Errorf("%s: media type %q is not the contract's", where, res.Header.Get("Content-Type"))
		return
	}
	if media == "application/x-ndjson" { // each line is a value of its own
		for line := range strings.Lines(string(body)) {
			if !json.Valid([]byte(line)) {
				t.tb.Errorf("%s: a line is no JSON", where)
			}
		}
		return
	}
	if strings.HasSuffix(media, "json") {
		t.checkJSON(where, content.Schema.Value, body, openapi3.VisitAsResponse())
	}
}

func (t *Transport) checkJSON(where string, schema *openapi3.Schema, body []byte, as openapi3.SchemaValidationOption) {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.tb.Errorf("%s: no JSON: %v", where, err)
		return
	}
	if err := schema.VisitJSON(value, as, openapi3.MultiErrors()); err != nil {
		t.tb.Errorf("%s: %v", where, err)
	}
}

// checkProblem checks what every refusal has to have, in the contract or not.
func (t *Transport) checkProblem(where string, res *http.Response, body []byte) {
	if res.Header.Get("Content-Type") != "application/problem+json" {
		t.tb.Errorf("%s: not a problem document but %q", where, res.Header.Get("Content-Type"))
		return
	}
	t.checkJSON(where, t.doc.Components.Schemas["Problem"].Value, body, openapi3.VisitAsResponse())
	var problem struct {
		Type      string `json:"type"`
		Status    int    `json:"status"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	}
	_ = json.Unmarshal(body, &problem)
	if problem.Status != res.StatusCode || problem.RequestID != res.Header.Get("X-Request-Id") ||
		!strings.HasSuffix(problem.Type, "/problems/"+problem.Code) {
		t.tb.Errorf("%s: the problem document contradicts the answer: %+v", where, problem)
	}
}

// Operations lists the contract's operationIds, in order.
func (t *Transport) Operations() []string {
	var out []string
	for _, item := range t.doc.Paths.Map() {
		for _, op := range item.Operations() {
			out = append(out, op.OperationID)
		}
	}
	slices.Sort(out)
	return out
}
