package throttle_test

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/throttle"
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

//
func TestClientAddr_BelievesOnlyTrustedHops(t *testing.T) {
	t.Parallel()
	proxies := prefixes("10.0.0.0/8", "2001:db8:ffff::/48")
	for name, tc := range map[string]struct {
		peer    string
		header  []string
		trusted []netip.Prefix
		hops    int
		want    string // "" means refused
	}{
		"no proxy":                               {peer: "192.0.2.1:5000", want: "192.0.2.1"},
		"a header from somebody untrusted":       {peer: "192.0.2.1:5000", header: []string{"203.0.113.9"}, trusted: proxies, hops: 1, want: "192.0.2.1"},
		"a header when no hop is trusted":        {peer: "10.0.0.1:5000", header: []string{"203.0.113.9"}, trusted: proxies, hops: 0, want: "10.0.0.1"},
		"a header when no proxy is trusted":      {peer: "10.0.0.1:5000", header: []string{"203.0.113.9"}, hops: 1, want: "10.0.0.1"},
		"one proxy":                              {peer: "10.0.0.1:5000", header: []string{"203.0.113.9"}, trusted: proxies, hops: 1, want: "203.0.113.9"},
		"a spoofed left end":                     {peer: "10.0.0.1:5000", header: []string{"198.51.100.1, 203.0.113.9"}, trusted: proxies, hops: 1, want: "203.0.113.9"},
		"a spoofed left end and hops to spare":   {peer: "10.0.0.1:5000", header: []string{"198.51.100.1, 203.0.113.9"}, trusted: proxies, hops: 9, want: "203.0.113.9"},
		"a spoofed trusted address":              {peer: "10.0.0.1:5000", header: []string{"198.51.100.1, 10.0.0.2, 203.0.113.9"}, trusted: proxies, hops: 2, want: "203.0.113.9"},
		"a spoofed first line":                   {peer: "10.0.0.1:5000", header: []string{"198.51.100.1", "203.0.113.9"}, trusted: proxies, hops: 2, want: "203.0.113.9"},
		"two proxies":                            {peer: "10.0.0.1:5000", header: []string{"203.0.113.9, 10.0.0.2"}, trusted: proxies, hops: 2, want: "203.0.113.9"},
		"two proxies in two lines":               {peer: "10.0.0.1:5000", header: []string{"203.0.113.9", "10.0.0.2"}, trusted: proxies, hops: 2, want: "203.0.113.9"},
		"more proxies than hops":                 {peer: "10.0.0.1:5000", header: []string{"203.0.113.9, 10.0.0.2"}, trusted: proxies, hops: 1, want: "10.0.0.2"},
		"the proxy asks for itself":              {peer: "10.0.0.1:5000", trusted: proxies, hops: 1, want: "10.0.0.1"},
		"garbage left of the answer":             {peer: "10.0.0.1:5000", header: []string{"<script>, 203.0.113.9"}, trusted: proxies, hops: 2, want: "203.0.113.9"},
		"garbage from the proxy":                 {peer: "10.0.0.1:5000", header: []string{"203.0.113.9, unknown"}, trusted: proxies, hops: 1},
		"an empty entry from the proxy":          {peer: "10.0.0.1:5000", header: []string{"203.0.113.9,"}, trusted: proxies, hops: 1},
		"an empty header from the proxy":         {peer: "10.0.0.1:5000", header: []string{""}, trusted: proxies, hops: 1},
		"an entry with a port":                   {peer: "10.0.0.1:5000", header: []string{"203.0.113.9:4711"}, trusted: proxies, hops: 1, want: "203.0.113.9"},
		"an IPv6 entry with a port":              {peer: "10.0.0.1:5000", header: []string{"[2001:db8::1]:4711"}, trusted: proxies, hops: 1, want: "2001:db8::1"},
		"an IPv6 proxy":                          {peer: "[2001:db8:ffff::1]:5000", header: []string{"2001:db8::1"}, trusted: proxies, hops: 1, want: "2001:db8::1"},
		"a mapped proxy":                         {peer: "[::ffff:10.0.0.1]:5000", header: []string{"203.0.113.9"}, trusted: proxies, hops: 1, want: "203.0.113.9"},
		"a mapped peer":                          {peer: "[::ffff:192.0.2.1]:5000", want: "192.0.2.1"},
		"a zone is no second address":            {peer: "[fe80::1%eth0]:5000", want: "fe80::1"},
		"a connection without an address":        {peer: "@"},
		"a connection with nothing":              {peer: ""},
		"a connection with a name":               {peer: "localhost:80"},
		"a connection with an address, no port":  {peer: "192.0.2.1"},
		"other headers with the caller's wishes": {peer: "10.0.0.1:5000", trusted: proxies, hops: 1, want: "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{
				"X-Forwarded-For": tc.header, "X-Real-Ip": {"198.51.100.66"}, "Forwarded": {"for=198.51.100.66"},
				"True-Client-Ip": {"198.51.100.66"}, "X-Client-Ip": {"198.51.100.66"},
			}}
			got, err := throttle.ClientAddr(r, tc.trusted, tc.hops)
			if tc.want == "" {
				require.ErrorIs(t, err, throttle.ErrNoSource)
				require.False(t, got.IsValid())
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got.String())
		})
	}
}

// the addresses of a /64 share a key.
func TestSourceKey_IsOneForAWholeNetwork(t *testing.T) {
	t.Parallel()
	base := netip.MustParseAddr("2001:db8:1:2::").As16()
	keys := map[string]bool{}
	for i := range 1 << 16 {
		addr := base
		binary.BigEndian.PutUint16(addr[8:], uint16(i*40503)) // spread over the whole interface part
		binary.BigEndian.PutUint16(addr[14:], uint16(i))
		keys[throttle.SourceKey(netip.AddrFrom16(addr))] = true
	}
	require.Equal(t, map[string]bool{"2001:db8:1:2::/64": true}, keys)

	require.Equal(t, "2001:db8:1:3::/64", throttle.SourceKey(netip.MustParseAddr("2001:db8:1:3::1")))
	require.Equal(t, "192.0.2.1/32", throttle.SourceKey(netip.MustParseAddr("192.0.2.1")))
	require.Equal(t, "192.0.2.1/32", throttle.SourceKey(netip.MustParseAddr("::ffff:192.0.2.1")))
	require.Equal(t, "fe80::/64", throttle.SourceKey(netip.MustParseAddr("fe80::1%eth0")))
	require.Equal(t, "unknown", throttle.SourceKey(netip.Addr{}))
}

func FuzzClientAddr(f *testing.F) {
	f.Add("10.0.0.1:80", "203.0.113.9", "198.51.100.1, 10.0.0.2", 2)
	f.Add("[::ffff:10.0.0.1]:80", ",,", "", 3)
	f.Add("@", "x", "y", 1)
	f.Add("[fe80::1%eth0]:1", "[::1]:1", "::", -1)
	trusted := prefixes("10.0.0.0/8")
	f.Fuzz(func(t *testing.T, peer, line1, line2 string, hops int) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {line1, line2}}}
		got, err := throttle.ClientAddr(r, trusted, min(hops, 16))
		if err != nil {
			require.ErrorIs(t, err, throttle.ErrNoSource)
			return
		}
		require.True(t, got.IsValid())
		require.Empty(t, got.Zone())
		require.False(t, got.Is4In6())

		// What a caller writes further left changes nothing once the walk has stopped before it.
		if !trusted[0].Contains(got) {
			r.Header["X-Forwarded-For"] = []string{"198.51.100.1", line1, line2}
			again, err := throttle.ClientAddr(r, trusted, min(hops, 16))
			require.NoError(t, err)
			require.Equal(t, got, again)
		}
	})
}

func FuzzSourceKey(f *testing.F) {
	f.Add("192.0.2.1")
	f.Add("2001:db8::1")
	f.Add("::ffff:1.2.3.4")
	f.Add("fe80::1%x")
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		prefix, err := netip.ParsePrefix(throttle.SourceKey(addr))
		require.NoError(t, err)
		require.True(t, prefix.Contains(addr.Unmap().WithZone("")))
		require.Equal(t, prefix.Masked(), prefix)
	})
}

// the network around a source is what is rented as one.
func TestNetworkKey_IsWhatIsRentedAsOne(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"203.0.113.7": "203.0.113.0/24", "::ffff:203.0.113.200": "203.0.113.0/24", "2001:db8:7:ffff::1": "2001:db8:7::/48", "2001:db8:7::%eth0": "2001:db8:7::/48",
	} {
		require.Equal(t, want, throttle.NetworkKey(netip.MustParseAddr(text)))
	}
	require.Equal(t, "unknown", throttle.NetworkKey(netip.Addr{}))
}
