package apptest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/credential"
	"github.com/holdfast/holdfast/internal/workforce/devissuer"
)

// Staff gives an access token of a person of the company who has just signed in strongly and serves Tenant. The name is the
// person: the same name is the same human.
func (s *Service) Staff(t testing.TB, name string, roles ...credential.Role) (token string) {
	t.Helper()
	return s.SignIn(t, devissuer.Person{Subject: name, Roles: roles})
}

// SignIn gives an access token for a person; one who serves nobody serves Tenant.
func (s *Service) SignIn(t testing.TB, p devissuer.Person) (token string) {
	t.Helper()
	if p.Tenants == nil {
		p.Tenants = []string{Tenant}
	}
	token, _, err := s.Issuer.Mint(s.Now(t), p)
	require.NoError(t, err)
	return token
}
