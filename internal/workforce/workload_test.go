package workforce_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/workforce"
)

const workloads = `
workloads:
  - issuer: https://cluster.example.com
    audience: [holdfast]
    subjects:
      "system:serviceaccount:shop:web": { tenant: acme, client: cli_01kagx0b1c3d5e7f9g1h3j5k7m }
`

//
func TestParse_ReadsWorkloadsAndRefusesWhatWouldLetSomebodyIn(t *testing.T) {
	t.Parallel()
	c, err := workforce.Parse([]byte(workloads), false)
	require.NoError(t, err, "without people as well")
	require.Equal(t, time.Hour, c.Workloads[0].MaxLifetime)
	text, err := c.Render()
	require.NoError(t, err)
	again, err := workforce.Parse(text, false)
	require.NoError(t, err)
	require.Equal(t, c, again)
	_, err = workforce.Parse([]byte(document+strings.TrimPrefix(workloads, "\n")), false)
	require.NoError(t, err, "beside people")
	for name, change := range map[string][2]string{
		"a pattern":         {"shop:web", "shop:*"},
		"an empty subject":  {"system:serviceaccount:shop:web", ""},
		"no subjects":       {`    subjects:` + "\n" + `      "system:serviceaccount:shop:web": { tenant: acme, client: cli_01kagx0b1c3d5e7f9g1h3j5k7m }` + "\n", ""},
		"a wild tenant":     {"acme", "'*'"},
		"no client":         {"cli_01kagx0b1c3d5e7f9g1h3j5k7m", "root"},
		"no audience":       {"    audience: [holdfast]\n", ""},
		"plain http":        {"https://", "http://"},
		"two hours":         {"    subjects:", "    max_lifetime: 2h\n    subjects:"},
		"a shared secret":   {"    subjects:", "    algorithms: [HS256]\n    subjects:"},
		"two of one client": {`    subjects:` + "\n", `    subjects:` + "\n" + `      "system:serviceaccount:shop:other": { tenant: acme, client: cli_01kagx0b1c3d5e7f9g1h3j5k7m }` + "\n"},
		"roles":             {"    subjects:", "    roles_claim: groups\n    subjects:"},
	} {
		require.Contains(t, workloads, change[0], name)
		_, err := workforce.Parse([]byte(strings.Replace(workloads, change[0], change[1], 1)), false)
		require.Error(t, err, name)
	}
	both := document + strings.Replace(strings.TrimPrefix(workloads, "\n"), "https://cluster.example.com", "https://login.example.com/realms/staff", 1)
	_, err = workforce.Parse([]byte(both), false)
	require.ErrorContains(t, err, "twice", "a token must not be a person's and a machine's")
}
