package throttle

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ErrNoSource means that it cannot be told where a request comes from. The caller must refuse it: a request without a
// source would pass every limit by source.
var ErrNoSource = errors.New("the source address cannot be told")

const forwardedFor = "X-Forwarded-For"

// ClientAddr gives the address that a request comes from. It is the connection's, unless that is a trusted proxy:
// then X-Forwarded-For is read from its right end, where the proxies append, past at most hops entries in all, up to the
// first address that is not a trusted proxy's. What stands further left was written by the caller and is never read;
// neither are Forwarded, X-Real-IP and the like. With hops 0 or no trusted prefixes the header does not exist.
//
// It yields ErrNoSource when the address, or an entry that a trusted proxy vouches for, does not parse.
func ClientAddr(r *http.Request, trusted []netip.Prefix, hops int) (netip.Addr, error) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the connection's address: %w", ErrNoSource)
	}
	addr := plain(peer.Addr())
	entries := r.Header.Values(forwardedFor)
	for ; hops > 0 && isTrusted(addr, trusted); hops-- {
		var entry string
		var found bool
		if entry, entries, found = lastEntry(entries); !found {
			break // the proxy itself is asking
		}
		if addr, err = parseEntry(entry); err != nil {
			return netip.Addr{}, err
		}
	}
	return addr, nil
}

// lastEntry takes the right-most entry off the header, whose lines are one list (RFC 9110, 5.3).
func lastEntry(lines []string) (entry string, rest []string, found bool) {
	if len(lines) == 0 {
		return "", nil, false
	}
	last := len(lines) - 1
	comma := strings.LastIndexByte(lines[last], ',')
	entry = strings.Trim(lines[last][comma+1:], " \t")
	if comma < 0 {
		return entry, lines[:last], true
	}
	rest = slices.Clone(lines)
	rest[last] = lines[last][:comma]
	return entry, rest, true
}

// parseEntry reads an address, with or without a port.
func parseEntry(entry string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(entry); err == nil {
		return plain(addr), nil
	}
	if withPort, err := netip.ParseAddrPort(entry); err == nil {
		return plain(withPort.Addr()), nil
	}
	return netip.Addr{}, fmt.Errorf("an entry of %s: %w", forwardedFor, ErrNoSource)
}

// plain removes the zone, and the mapping of IPv4 into IPv6: one address has one form.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// NetworkKey names the network around an address: its /24 for IPv4, its /48 for IPv6, as audit events hold it. Whoever rents
// addresses rents them in such blocks.
func NetworkKey(addr netip.Addr) string { return prefixKey(addr, 24, 48) }

// SourceKey names the source that an address belongs to: the address itself for IPv4, its /64 for IPv6, because whoever has
// one address of a /64 has them all. The zero address is a source of its own.
func SourceKey(addr netip.Addr) string { return prefixKey(addr, 32, 64) }

func prefixKey(addr netip.Addr, four, six int) string {
	if !addr.IsValid() {
		return "unknown"
	}
	addr = plain(addr)
	bits := six
	if addr.Is4() {
		bits = four
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return "unknown" // the widths fit their families
	}
	return prefix.String()
}
