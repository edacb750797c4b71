package app_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/account"
	"github.com/holdfast/holdfast/internal/postgres/pgembed"
	"github.com/holdfast/holdfast/internal/secret"
)

// postgresTool finds one of PostgreSQL's own programs beside the server, or in PATH.
func postgresTool(t *testing.T, name string) string {
	t.Helper()
	cache, err := pgembed.DefaultCacheDir()
	require.NoError(t, err)
	dir, err := pgembed.Find(t.Context(), pgembed.Config{CacheDir: cache})
	require.NoError(t, err)
	for _, path := range []string{filepath.Join(dir, name), name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	if os.Getenv("CI") != "" { //nolint:forbidigo // tests have no configuration
		require.FailNow(t, name+" is not installed")
	}
	t.Skip(name + " is not installed: ./.ci/pg")
	return ""
}

// dump is what pg_dump writes of a database: its text, and every row of every table, with what the keyring opens of it.
type dump struct {
	text []byte
	rows []dumped
}

// dumped is a row of a dump, or what was sealed in one.
type dumped struct {
	table string
	text  string
	blobs [][]byte
}

// takeDump dumps a database as an operator's backup does: plain SQL, schema and data.
func takeDump(t *testing.T, url string) dump {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), postgresTool(t, "pg_dump"), "--format=plain", "--no-owner", "--dbname="+url) //nolint:gosec // PostgreSQL's own program.
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	d := dump{text: text}
	table := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case table == "" && strings.HasPrefix(line, "COPY "):
			table = strings.Fields(line)[1]
		case table != "" && line == `\.`:
			table = ""
		case table != "":
			d.rows = append(d.rows, rowOf(table, line))
		}
	}
	require.NotEmpty(t, d.rows)
	return d
}

var hexBlob = regexp.MustCompile(`\\x([0-9a-f]{2,})`)

// rowOf reads a line of COPY. What looks like bytes anywhere in it, in arrays and documents too, is taken as bytes.
func rowOf(table, line string) dumped {
	row := dumped{table: table, text: strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n").Replace(line)}
	for _, m := range hexBlob.FindAllStringSubmatch(row.text, -1) {
		if b, err := hex.DecodeString(m[1][:len(m[1])&^1]); err == nil {
			row.blobs = append(row.blobs, b)
		}
	}
	return row
}

// restore reads a dump back into an empty database, as an operator would.
func (d dump) restore(t *testing.T, url string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), postgresTool(t, "psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--dbname="+url) //nolint:gosec // PostgreSQL's own program.
	cmd.Stdin = bytes.NewReader(d.text)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

// found tells in which tables something lies: as text, as bytes, or under what the keyring opens ("sealed in …").
func (d dump) found(opened []dumped, what string) []string {
	tables, inHex := map[string]bool{}, hex.EncodeToString([]byte(what))
	for _, row := range append(opened, d.rows...) {
		hit := strings.Contains(row.text, what) || strings.Contains(row.text, inHex)
		for _, b := range row.blobs {
			hit = hit || bytes.Contains(b, []byte(what))
		}
		if hit {
			tables[row.table] = true
		}
	}
	out := make([]string, 0, len(tables))
	for name := range tables {
		out = append(out, name)
	}
	return out
}

// left tells of each trace where it lies, leaving out tables.
func (d dump) left(opened []dumped, traces map[string]string, but ...string) map[string][]string {
	out := map[string][]string{}
	for what, trace := range traces {
		if in := slices.DeleteFunc(d.found(opened, trace), func(table string) bool { return slices.Contains(but, table) }); len(in) > 0 {
			out[what] = in
		}
	}
	return out
}

var dumpedID = regexp.MustCompile(`\b[a-z]{3}_[0-9a-z]{26}\b`)

// open tries the keyring on all bytes in the dump, as somebody would who has stolen both: every account's and case's key that it
// unwraps, on everything, in the name of every row that the dump names; and what is sealed under the keyring by itself.
func (d dump) open(t *testing.T, keys *secret.Keyring, tenant string) []dumped {
	t.Helper()
	ids := map[string]bool{}
	for _, row := range d.rows {
		for _, id := range dumpedID.FindAllString(row.text, -1) {
			ids[id] = true
		}
		if fields := strings.Split(row.text, "\t"); row.table == "public.support_decision" {
			ids[fields[1]+"/"+fields[2]] = true // a reason is bound to the proposal and the person
		}
	}
	var out []dumped
	for owner := range ids {
		if !strings.HasPrefix(owner, "acc_") && !strings.HasPrefix(owner, "cas_") {
			continue
		}
		aads := places(tenant, owner, ids)
		for _, key := range d.keysOf(keys, tenant, owner) {
			out = append(out, d.openWith(func(blob []byte) ([]byte, bool) {
				for _, aad := range aads {
					if plain, err := key.Open(blob, aad); err == nil {
						return plain, true
					}
				}
				return nil, false
			})...)
		}
		out = append(out, d.openWith(func(blob []byte) ([]byte, bool) {
			plain, err := keys.OpenBound(secret.PurposeSignal, secret.NewString(owner), blob, account.FarewellAAD(tenant, owner))
			return plain, err == nil
		})...)
	}
	return out
}

// keysOf unwraps the data keys of an owner that lie anywhere in the dump.
func (d dump) keysOf(keys *secret.Keyring, tenant, owner string) []*secret.DataKey {
	var out []*secret.DataKey
	for _, row := range d.rows {
		for _, b := range row.blobs {
			if key, err := keys.OpenDataKey(b, tenant, owner); err == nil {
				out = append(out, key)
			}
		}
	}
	return out
}

func (d dump) openWith(open func([]byte) ([]byte, bool)) []dumped {
	var out []dumped
	for _, row := range d.rows {
		for _, b := range row.blobs {
			if plain, ok := open(b); ok {
				out = append(out, dumped{table: "sealed in " + row.table, text: string(plain)})
			}
		}
	}
	return out
}

// places are what things of an owner may be bound to.
func places(tenant, owner string, ids map[string]bool) [][]byte {
	var out [][]byte
	if strings.HasPrefix(owner, "cas_") {
		for id := range ids {
			if strings.HasPrefix(id, "nte_") || strings.HasPrefix(id, "prp_") {
				out = append(out, secret.Bind("holdfast/v1/words", tenant, owner, id))
			}
		}
		return out
	}
	out = append(out, account.RefAAD(tenant, owner))
	for _, typ := range []string{"email", "phone", "username"} {
		out = append(out, account.IdentifierAAD(tenant, owner, typ))
	}
	for id := range ids {
		if strings.HasPrefix(id, "chn_") || strings.HasPrefix(id, "fac_") {
			out = append(out, account.ChannelAAD(tenant, owner, id), account.SeedAAD(tenant, owner, id))
		}
	}
	return out
}
