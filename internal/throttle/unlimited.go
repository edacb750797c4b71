package throttle

import "context"

// unlimited is the store of a measurement without limits.
type unlimited struct{}

// take implements backend.
func (unlimited) take(_ context.Context, charges []charge) ([]level, error) {
	levels := make([]level, len(charges))
	for i := range levels {
		levels[i] = level{fits: true, passed: true}
	}
	return levels, nil
}

// peek implements backend.
func (unlimited) peek(context.Context, [keySize]byte) (level, bool, error) {
	return level{}, false, nil
}

// reset implements backend.
func (unlimited) reset(context.Context, [keySize]byte) (level, error) { return level{}, nil }

// sweep implements backend.
func (unlimited) sweep(context.Context, int) (int64, error) { return 0, nil }
