package config

import (
	"errors"
	"io"
	"os"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// Read gives the keyring's JSON, from its file or from the environment; it is empty when neither is set. A file that
// others may write is refused, and so is one over 64 KiB. Who may read it is the deployment's matter: orchestrators mount
// secrets in ways that permission bits do not tell apart. It is read once, when the service starts.
func (k Keys) Read() (secret.String, error) {
	const most = 64 << 10
	if k.File == "" {
		return k.JSON, nil
	}
	f, err := os.Open(k.File)
	if err != nil {
		return secret.String{}, fault.Wrap(err, "open the keyring file")
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return secret.String{}, fault.Wrap(err, "read the keyring file")
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 {
		return secret.String{}, errors.New("the keyring file must be a regular file that only its owner may write (chmod 0600)")
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return secret.String{}, fault.Wrap(err, "read the keyring file")
	}
	if len(text) > most {
		return secret.String{}, errors.New("the keyring file is over 64 KiB")
	}
	return secret.NewString(string(text)), nil
}
