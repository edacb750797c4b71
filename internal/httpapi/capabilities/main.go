// Command capabilities writes the matrix of who may do what. `go generate` runs it; a test fails when the document is not of the
// tables any more.
//
//	go run ./capabilities capabilities.md
package main

import (
	"fmt"
	"os"

	"github.com/holdfast/holdfast/internal/httpapi"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: capabilities FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(httpapi.Matrix()), 0o644); err != nil { //nolint:gosec // a document for everybody.
		fmt.Fprintln(os.Stderr, "capabilities:", err)
		os.Exit(1)
	}
}
