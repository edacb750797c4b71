package idempotency

// IsZero reports whether the request came without a key, where that is allowed: there is nothing to remember then.
func (k Key) IsZero() bool { return k.keys == nil }
