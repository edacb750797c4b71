package pgembed

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// endWithParent has the kernel send sig to the child when the thread that started it ends, which a kill -9 of this process
// cannot prevent.
func endWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// programOf gives the name of the program that a process runs, "" when there is no such process.
func programOf(pid int) string {
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(comm))
}
