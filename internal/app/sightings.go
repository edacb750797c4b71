package app

import (
	"context"
	"net/netip"
	"sync"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/fault"
)

// mostSightings bounds what is remembered between two flushes. What is over it is seen at its next use.
const mostSightings = 4096

// sighting is a credential and a network that it was used from.
type sighting struct{ credential, network string }

// sightings is from where servers' credentials were used and not yet written down: the /24 or /48, which tells a place
// and no machine. It is safe for concurrent use.
type sightings struct {
	mu   sync.Mutex
	seen map[sighting]bool
}

func newSightings() *sightings { return &sightings{seen: map[sighting]bool{}} }

// add remembers one use. Credentials that lie in apps are used from everywhere, and people are not credentials.
func (s *sightings) add(who *credential.Principal, source netip.Addr) {
	if s == nil || who == nil || who.Credential == "" || who.Kind == credential.Publishable || !source.IsValid() {
		return
	}
	network, err := truncated(source)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) < mostSightings {
		s.seen[sighting{who.Credential, network.String()}] = true
	}
}

// truncated is the network of an address: /24, or /48.
func truncated(a netip.Addr) (netip.Prefix, error) {
	a = a.Unmap()
	if a.Is4() {
		return a.Prefix(24)
	}
	return a.Prefix(48)
}

// flush writes down what was seen. What cannot be written is seen again at its next use.
func (s *sightings) flush(ctx context.Context, see func(ctx context.Context, credentials, networks []string) error) error {
	s.mu.Lock()
	var credentials, networks []string
	for x := range s.seen {
		credentials, networks = append(credentials, x.credential), append(networks, x.network)
	}
	clear(s.seen)
	s.mu.Unlock()
	if len(credentials) == 0 {
		return nil
	}
	return fault.Wrap(see(ctx, credentials, networks), "record networks of credentials")
}
