package main

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/postgres/pgtest"
)

// What an operator does about abuse at the command line, for a tenant and for all.
func TestOperators_RaiseTheBarAndTakeItBack(t *testing.T) {
	t.Parallel()
	environ := production(t, pgtest.URL(t))
	operate(t, environ, "", "tenant", "create", "acme", "--name", "Acme")
	require.Contains(t, operate(t, environ, "", "alert", "list", "--all"), "DETECTOR")

	set := operate(t, environ, "", "control", "set", "min_tier", "high", "--all", "--for", "2h", "--reason", "a drill")
	id := regexp.MustCompile(`ctl_[0-9a-z]{26}`).FindString(set)
	require.NotEmpty(t, id)
	operate(t, environ, "", "control", "set", "pause_starts", "--tenant", "acme", "--for", "10m", "--reason", "a drill")
	list := operate(t, environ, "", "control", "list", "--all")
	require.Contains(t, list, "_fleet")
	require.Contains(t, list, "pause_starts")
	require.NotContains(t, operate(t, environ, "", "control", "list", "--tenant", "acme"), "min_tier")
	require.Contains(t, operate(t, environ, "", "control", "lift", id, "--reason", "over"), "lifted")
	require.NotContains(t, operate(t, environ, "", "control", "list", "--all"), "min_tier")
	require.Contains(t, operate(t, environ, "", "control", "list", "--all", "--ended"), "lifted by")
	require.Contains(t, operate(t, environ, "", "audit", "list", "--tenant", "_fleet"), "control.lifted")

	for _, args := range [][]string{
		{"control", "set", "min_tier", "low", "--all", "--for", "2h", "--reason", "lower it"},
		{"control", "set", "pause_starts", "--all", "--for", "200h", "--reason", "too long"},
		{"control", "set", "pause_starts", "--tenant", "nobody", "--for", "2h", "--reason", "no such tenant"},
		{"control", "set", "pause_starts", "--for", "2h", "--reason", "for whom"},
		{"control", "set", "pause_starts", "--all", "--reason", "for how long"},
		{"control", "lift", id, "--reason", "again"},
		{"alert", "ack", "alr_01kagx0b1c3d5e7f9g1h3j5k7m", "--reason", "no such alert"},
	} {
		_, err := command(t, environ, "", args...)
		require.Error(t, err, "%v", args)
	}
}
