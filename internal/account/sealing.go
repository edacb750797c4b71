package account

import (
	"time"

	"github.com/holdfast/holdfast/internal/secret"
)

// refType stands for the account_ref among the types of identifiers, so that a reference and an identifier of the same text
// never share a hash.
const refType = "account_ref"

// RefHashes is what an account is found by: the keyed hashes of its reference under every key, the primary's first.
func RefHashes(keys *secret.Keyring, tenant, ref string) [][]byte {
	return keys.IdentifierHashes(tenant, refType, ref)
}

// addressHashes is what addresses are compared by. A number has one hash, whether it is texted or called.
func addressHashes(keys *secret.Keyring, tenant, typ, canonical string) [][]byte {
	return keys.MACs(secret.PurposeDestination, "channel", tenant, typ, canonical)
}

// RefAAD binds a sealed account_ref to its account.
func RefAAD(tenant, account string) []byte {
	return secret.Bind("holdfast/v1/account_ref", tenant, account)
}

// IdentifierAAD binds a sealed identifier to its account and type.
func IdentifierAAD(tenant, account, typ string) []byte {
	return secret.Bind("holdfast/v1/identifier", tenant, account, typ)
}

// ChannelAAD binds a sealed address to its channel.
func ChannelAAD(tenant, account, channel string) []byte {
	return secret.Bind("holdfast/v1/channel", tenant, account, channel)
}

// SeedAAD binds a sealed TOTP seed to its factor.
func SeedAAD(tenant, account, factor string) []byte {
	return secret.Bind("holdfast/v1/totp", tenant, account, factor)
}

// FarewellAAD binds the name of an erased account to it.
func FarewellAAD(tenant, account string) []byte {
	return secret.Bind("holdfast/v1/farewell", tenant, account)
}

// FarewellFor is how long the name of an erased account is kept for those who are yet to be told: longer than every attempt
// to tell them takes.
const FarewellFor = 7 * 24 * time.Hour
