package support

import (
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// SealedReasons is a case's decisions' reasons as they are kept, by proposal and person ("prp_…/stf_…").
type SealedReasons struct {
	Tenant, Case string
	DataKey      []byte // nil once the account was erased
	Reasons      map[string][]byte
}

// OpenReasons gives the words of those who decided, for an auditor. Of a case whose key is gone there are none.
func OpenReasons(keys *secret.Keyring, in SealedReasons) (map[string]string, error) {
	out := map[string]string{}
	if in.DataKey == nil || len(in.Reasons) == 0 {
		return out, nil
	}
	key, err := keys.OpenDataKey(in.DataKey, in.Tenant, in.Case)
	if err != nil {
		return nil, fault.Wrap(err, "open the case's key")
	}
	for id, sealed := range in.Reasons {
		words, err := key.Open(sealed, wordsAAD(Case{Tenant: in.Tenant, ID: in.Case}, id))
		if err != nil {
			return nil, fault.Wrap(err, "open a reason")
		}
		out[id] = string(words)
	}
	return out, nil
}
