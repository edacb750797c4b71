package account

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	// MaxLine bounds one line of an import, in bytes.
	MaxLine = 64 << 10

	batchLines = 500
	batchBytes = 4 << 20
)

// line is one line of an import; text is nil for one that is too long.
type line struct {
	number int64
	text   []byte
}

// lines reads an import in batches of bounded size, whatever the body holds.
type lines struct {
	in     *bufio.Reader
	number int64
}

func newLines(body io.Reader) *lines { return &lines{in: bufio.NewReaderSize(body, MaxLine+1)} }

// batch gives the next lines that are not blank. It ends with io.EOF, or with the body's own error; a line that the error cut
// off is not given out.
func (l *lines) batch() ([]line, error) {
	out := make([]line, 0, batchLines)
	for size := 0; len(out) < batchLines && size < batchBytes; {
		next, err := l.next()
		if next.text == nil && err != nil {
			return out, err
		}
		if next.text == nil || len(bytes.TrimSpace(next.text)) > 0 {
			out = append(out, next)
			size += len(next.text)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// next reads one line. The last one needs no line feed, so that it may come together with io.EOF.
func (l *lines) next() (line, error) {
	text, err := l.in.ReadSlice('\n')
	if len(text) == 0 && err != nil {
		return line{}, err
	}
	l.number++
	if errors.Is(err, bufio.ErrBufferFull) {
		return line{number: l.number}, l.skip()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return line{}, err
	}
	return line{number: l.number, text: bytes.Clone(text)}, err
}

// skip reads to the end of a line that is too long. That the body ends there is told by the next read.
func (l *lines) skip() error {
	for {
		_, err := l.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil, errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}
