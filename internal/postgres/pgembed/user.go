package pgembed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user under whom the server runs: this process's own, or an unprivileged one when this is root, because
// PostgreSQL refuses to run as root.
type account struct {
	name     string
	uid, gid int
	drop     bool // this process is root and must change to it
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return account{name: name, uid: uid, gid: gid, drop: true}, nil
		}
	}
	return account{}, errors.New("this process is root, PostgreSQL must not be, and there is no user postgres or nobody to run it as")
}

// own gives the tree at dir to the account, if it is not its own already.
func (a account) own(dir string) error {
	if !a.drop {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == a.uid {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, a.uid, a.gid)
	})
}

// canEnter tells by name the first directory on the way to dir that the account may not enter. Without this check the server would
// only say "permission denied".
func (a account) canEnter(dir string) error {
	if !a.drop {
		return nil
	}
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !a.mayEnter(st, info.Mode()) {
			return fmt.Errorf("user %s, as whom PostgreSQL runs, may not enter %s: choose a place outside of it, or do not run as root", a.name, at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}

func (a account) mayEnter(st *syscall.Stat_t, mode fs.FileMode) bool {
	switch {
	case int(st.Uid) == a.uid:
		return mode&0o100 != 0
	case int(st.Gid) == a.gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// Reachable reports why the server could not use dir or its nearest existing parent: when this process is root, the server
// runs as another user, who may not be able to enter, say, root's home. Nil means that it can.
func Reachable(dir string) error {
	a, err := serverAccount()
	if err != nil {
		return err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return a.canEnter(dir)
		}
		dir = filepath.Dir(dir)
	}
}
