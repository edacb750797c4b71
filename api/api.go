// Package api holds the public contract: openapi.yaml, which requests are checked against, and which the reference page and
// the Go client in api/client are made from.
package api

import _ "embed"

//go:generate oapi-codegen --config client/oapi-codegen.yaml openapi.yaml

//go:embed openapi.yaml
var contract string //nolint:gochecknoglobals // embedding needs a variable; nothing changes it.

// OpenAPI gives the contract, an OpenAPI 3.1 document in YAML. The bytes are the caller's own.
func OpenAPI() []byte { return []byte(contract) }
