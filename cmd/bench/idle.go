package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settleFor is how long the idle service is left alone before it is looked at.
const settleFor = 6 * time.Second

// idle runs `holdfast serve` beside the large database, leaves it alone for a while and reads what it holds in memory.
func (l *lab) idle(ctx context.Context) (err error) {
	l.sayf("idle service, %s", settleFor)
	cmd := l.child(ctx, l.large, "serve")
	logs, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, cmd.Wait())
	}()
	listening := make(chan bool, 1)
	go func() {
		defer close(listening)
		for lines := bufio.NewScanner(logs); lines.Scan(); {
			if strings.Contains(lines.Text(), `"listening"`) {
				listening <- true
			}
		}
	}()
	if !<-listening {
		return errors.New("the service does not listen")
	}
	if err := pause(ctx, settleFor); err != nil {
		return err
	}
	l.result.Idle, err = memoryOf(cmd.Process.Pid)
	return err
}

// memoryOf reads a process's resident memory from /proc, where there is one.
func memoryOf(pid int) (*idleResult, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, nil //nolint:nilnil // not Linux: the report says so.
	}
	var r idleResult
	for l := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(l, ":")
		into := map[string]*float64{"VmRSS": &r.ResidentMiB, "RssAnon": &r.AnonymousMiB, "VmHWM": &r.PeakMiB}[name]
		if into == nil {
			continue
		}
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		if err != nil {
			return nil, fmt.Errorf("read /proc: %w", err)
		}
		*into = kib / 1024
	}
	return &r, nil
}
