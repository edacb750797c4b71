package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/secret"
)

//
func TestString_ShowsItsTextToRevealAlone(t *testing.T) {
	t.Parallel()
	var in struct {
		Code secret.String `json:"code"`
	}
	require.NoError(t, json.Unmarshal([]byte(`{"code":"00123456"}`), &in))
	require.Equal(t, "00123456", in.Code.Reveal())
	require.False(t, in.Code.IsZero())
	require.True(t, secret.String{}.IsZero())

	var out bytes.Buffer
	fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d", in, in, in, in.Code, in.Code, in.Code, in.Code)
	fmt.Fprint(&out, in.Code.String(), in.Code.GoString(), fmt.Errorf("wrapped: %v", in.Code))
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "code", in.Code, "in", in)
	require.NoError(t, json.NewEncoder(&out).Encode(in))

	require.NotContains(t, out.String(), "00123456")
	require.NotContains(t, out.String(), "3030313233343536")
}
