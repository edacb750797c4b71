//go:build unix && !linux

package pgembed

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// endWithParent does nothing: only Linux can. A server that outlives its parent is stopped by the next Start on its
// directory.
func endWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// programOf gives the name of the program that a process runs, "" when there is no such process.
func programOf(pid int) string {
	comm, err := exec.Command("ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec,noctx // a number, and ps answers at once
	if err != nil {
		return ""
	}
	return filepath.Base(strings.TrimSpace(string(comm)))
}
