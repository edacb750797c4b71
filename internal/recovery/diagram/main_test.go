package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/recovery"
)

func TestMachine_DiagramIsCurrent(t *testing.T) {
	t.Parallel()
	drawn, err := os.ReadFile("../machine.mmd")
	require.NoError(t, err)
	require.Equal(t, draw(recovery.Lines()), string(drawn), "run go generate ./internal/recovery")
}

func TestDraw_HasEveryStateOfTheTable(t *testing.T) {
	t.Parallel()
	text := draw(recovery.Lines())
	for _, s := range recovery.States() {
		require.Contains(t, text, string(s)+" --> ", s)
	}
	require.Contains(t, text, "DO NOT EDIT")
}
