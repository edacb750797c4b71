package signal

import "github.com/holdfast/holdfast/internal/secret"

// SealKeys seals one key as an endpoint's.
func SealKeys(ring *secret.Keyring, tenant, endpoint string, k Key) ([]byte, error) {
	return keys{Current: k}.seal(ring, tenant, endpoint)
}

// Shown is a key's secret as its receiver keeps it.
func Shown(k Key) string { return k.shown().Reveal() }
