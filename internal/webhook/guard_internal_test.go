package webhook

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

//
func TestGuard_AllowsPublicAddressesAlone(t *testing.T) {
	t.Parallel()
	for _, a := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.0.1",
		"100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255",
		"240.0.0.1", "255.255.255.255", "192.88.99.1",
		"::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1",
		"2001:db8::1", "2001::1", "2002:7f00:1::", "64:ff9b::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1::1", "100::1", "fec0::1", "3fff::1", "5f00::1",
	} {
		addr := netip.MustParseAddr(a)
		require.False(t, guard(nil).allows(addr), a)
		if addr.Is4() {
			require.False(t, guard(nil).allows(netip.AddrFrom16(addr.As16())), "%s inside IPv6", a)
		}
	}
	for _, a := range []string{"8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"} {
		require.True(t, guard(nil).allows(netip.MustParseAddr(a)), a)
	}
	some := guard{netip.MustParsePrefix("10.1.0.0/16")}
	require.True(t, some.allows(netip.MustParseAddr("10.1.2.3")))
	require.True(t, some.allows(netip.MustParseAddr("::ffff:10.1.2.3")))
	require.False(t, some.allows(netip.MustParseAddr("10.2.0.1")))
	require.False(t, some.allows(netip.MustParseAddr("fe80::1%eth0")))
	for _, address := range []string{"", "localhost:80", "10.1.2.3", "10.1.2.3:x"} {
		require.Error(t, some.control("tcp4", address, nil), address)
	}
	require.Error(t, some.control("unix", "10.1.2.3:443", nil))
	require.NoError(t, some.control("tcp4", "10.1.2.3:443", nil))
	require.NotContains(t, guard(nil).control("tcp4", "10.1.2.3:443", nil).Error(), "10.1", "the log says no more than that")
}

func FuzzGuard(f *testing.F) {
	for _, a := range []string{"127.0.0.1:80", "[::1]:443", "[::ffff:10.0.0.1]:443", "8.8.8.8:53", "x", "[fe80::1%lo]:1"} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if guard(nil).control("tcp", address, nil) != nil || guard(nil).control("tcp4", address, nil) != nil {
			return
		}
		to, err := netip.ParseAddrPort(address)
		require.NoError(t, err)
		a := to.Addr().Unmap()
		require.True(t, a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast(), address)
	})
}
