package pgembed

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	symlinkList   = "native/pg-symlinks.json"
	maxUnpacked   = 512 << 20 // bytes of all files; the real package has about 90 MiB
	packagePrefix = "package/"
)

// unpack writes the native part of an npm tarball below dir and creates the symbolic links that the package lists (npm
// tarballs cannot carry links). Nothing is ever written outside dir: os.Root refuses it.
func unpack(tarball io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // read-only handle

	zipped, err := gzip.NewReader(tarball)
	if err != nil {
		return err
	}
	// One byte more than is allowed tells "too large" from "just fits".
	limited := &io.LimitedReader{R: zipped, N: maxUnpacked + 1}
	archive := tar.NewReader(limited)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return link(root)
		}
		if err != nil {
			return err
		}
		if err := unpackEntry(root, header, archive); err != nil {
			return err
		}
		if limited.N <= 0 {
			return fmt.Errorf("the tarball unpacks to more than %d bytes", maxUnpacked)
		}
	}
}

func unpackEntry(root *os.Root, header *tar.Header, body io.Reader) error {
	name, ok := strings.CutPrefix(header.Name, packagePrefix)
	if !ok || !strings.HasPrefix(name, "native/") || header.Typeflag != tar.TypeReg {
		return nil // documentation, scripts, directories: not needed
	}
	if !filepath.IsLocal(name) {
		return fmt.Errorf("the tarball names a file outside of it: %q", header.Name)
	}
	mode := os.FileMode(0o644)
	if header.Mode&0o111 != 0 {
		mode = 0o755
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, body) //nolint:gosec // bounded by maxUnpacked
	return errors.Join(err, file.Close())
}

// link creates the links of pg-symlinks.json. Both ends must lie inside the package.
func link(root *os.Root) error {
	list, err := root.ReadFile(symlinkList)
	if errors.Is(err, os.ErrNotExist) {
		return nil // some platforms need none
	}
	if err != nil {
		return err
	}
	var links []struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("%s: %w", symlinkList, err)
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("%s names a file outside of the package", symlinkList)
		}
		source, err := filepath.Rel(path.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(source, l.Target); err != nil {
			return err
		}
	}
	return nil
}
