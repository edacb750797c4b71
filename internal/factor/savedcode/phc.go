package savedcode

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

var errRecord = errors.New("savedcode: stored hash not readable")

// record is a stored hash: $argon2id$v=19$m=19456,t=2,p=1,keyid=k1$<salt>$<tag>, the PHC string format with the pepper's key id.
type record struct {
	params Params
	keyID  string
	salt   []byte
	tag    []byte
}

// ceiling bounds what a stored hash may ask for, so that an edited row cannot make one check eat the machine.
func ceiling() Params { return Params{MemoryKiB: 1 << 20, Time: 16, Threads: 16} }

// readable is the least a stored hash may ask for. It stays where it is when the floor rises: old rows must still open.
func readable() Params { return Params{MemoryKiB: 19456, Time: 2, Threads: 1} }

// String writes the record.
func (r record) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d,keyid=%s$%s$%s", argon2.Version,
		r.params.MemoryKiB, r.params.Time, r.params.Threads, r.keyID,
		base64.RawStdEncoding.EncodeToString(r.salt), base64.RawStdEncoding.EncodeToString(r.tag))
}

// parseRecord reads what String writes, and nothing else.
func parseRecord(phc string) (record, error) {
	f := strings.Split(phc, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != "v="+strconv.Itoa(argon2.Version) {
		return record{}, errRecord
	}
	p := strings.Split(f[3], ",")
	if len(p) != 4 {
		return record{}, errRecord
	}
	memory, err1 := number(p[0], "m=", 32)
	time, err2 := number(p[1], "t=", 32)
	threads, err3 := number(p[2], "p=", 8)
	keyID, ok := strings.CutPrefix(p[3], "keyid=")
	salt, err4 := base64.RawStdEncoding.Strict().DecodeString(f[4])
	tag, err5 := base64.RawStdEncoding.Strict().DecodeString(f[5])
	if errors.Join(err1, err2, err3, err4, err5) != nil || !ok || keyID == "" || len(salt) != saltSize || len(tag) != tagSize {
		return record{}, errRecord
	}
	r := record{
		params: Params{MemoryKiB: uint32(memory), Time: uint32(time), Threads: uint8(threads)}, //nolint:gosec // sized by number.
		keyID:  keyID, salt: salt, tag: tag,
	}
	if !r.params.atLeast(readable()) || !ceiling().atLeast(r.params) || r.String() != phc {
		return record{}, errRecord
	}
	return r, nil
}

func number(s, name string, bits int) (uint64, error) {
	text, ok := strings.CutPrefix(s, name)
	if !ok {
		return 0, errRecord
	}
	return strconv.ParseUint(text, 10, bits)
}
