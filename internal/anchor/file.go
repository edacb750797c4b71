package anchor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/holdfast/holdfast/internal/audit"
)

// File is an anchor in two files of this node. PATH.last holds the newest checkpoint and is replaced, whole, before that
// checkpoint is published; PATH is only ever appended to, with a checkpoint as often as Keep says, so that a history lies outside
// of the database too. Neither may be shared by two processes.
type File struct {
	path string
	keep func(last, next audit.Checkpoint) bool

	mu   sync.Mutex
	kept audit.Checkpoint // the newest in PATH
	last audit.Checkpoint // the newest of both
	read bool
}

// line is one line of the file.
type line struct {
	Size       int64  `json:"size"`
	Checkpoint string `json:"checkpoint"`
}

// longestLine bounds a line of the file.
const longestLine = 64 << 10

// NewFile makes the anchor. keep says whether the next checkpoint is to be appended to the history after the last one there.
func NewFile(path string, keep func(last, next audit.Checkpoint) bool) *File {
	return &File{path: path, keep: keep}
}

// Name implements auditlog.Anchor.
func (f *File) Name() string { return "file" }

// Last implements auditlog.Anchor. Files that are not there hold nothing; one that cannot be read is an error.
func (f *File) Last(context.Context) (audit.Checkpoint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.read {
		return f.last, nil
	}
	history, err := ReadFile(f.path)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	newest, err := ReadFile(f.path + ".last")
	if err != nil {
		return audit.Checkpoint{}, err
	}
	for i, note := range append(history, newest...) {
		c, err := audit.UnverifiedCheckpoint(note)
		if err != nil {
			return audit.Checkpoint{}, fmt.Errorf("anchor file: %w", err)
		}
		if i < len(history) {
			f.kept = c
		}
		f.last = c // the newest is the last of its log; PATH.last is younger than PATH
	}
	f.read = true
	return f.last, nil
}

// Before implements auditlog.Anchor: what it returns nil for is on the disk.
func (f *File) Before(_ context.Context, note []byte, c audit.Checkpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := json.Marshal(line{Size: c.Size, Checkpoint: string(note)})
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if err := replace(f.path+".last", text); err != nil {
		return err
	}
	f.last = c
	if f.kept.Size > 0 && !f.keep(f.kept, c) {
		return nil
	}
	if err := appendSynced(f.path, text); err != nil {
		return err
	}
	f.kept = c
	return nil
}

// ReadFile reads the checkpoints of an anchor file, the oldest first. A last line that was cut short by a crash is passed over:
// it was not published. A file that is not there has none.
func ReadFile(path string) ([][]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read.
	return readLines(file)
}

func readLines(r io.Reader) ([][]byte, error) {
	var out [][]byte
	in := bufio.NewReaderSize(r, longestLine)
	for n := 1; ; n++ {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return out, nil // what has no end of line was not written whole
		}
		if err != nil {
			return nil, fmt.Errorf("anchor file: line %d: %w", n, err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("anchor file: line %d is no checkpoint", n)
		}
		out = append(out, []byte(l.Checkpoint))
	}
}

// replace writes a file whole, or leaves the old one.
func replace(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncFolder(path)
}

func appendSynced(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncFolder makes a renamed file's name last.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
