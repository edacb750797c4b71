package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
	"github.com/holdfast/holdfast/internal/telemetry"
)

// hostile is what an attacker would like to see in somebody's terminal or log file.
const hostile = "a\r\n{\"level\":\"INFO\",\"msg\":\"forged\"}\x1b[2J\x00\u202egpj.exe\u2028\u009b31m\xff\u200b"

func TestLogger_NothingBreaksOutOfALine(t *testing.T) {
	t.Parallel()
	for _, asText := range []bool{true, false} {
		var out strings.Builder
		logger := telemetry.NewLogger(&out, slog.LevelInfo, asText).With("with", hostile).WithGroup("g")
		logger.Info("m "+hostile, "text", hostile, "error", errors.New(hostile), "wrapped", fault.Wrap(errors.New(hostile), "op"),
			slog.Group("group", "inner", hostile))
		line, rest, _ := strings.Cut(out.String(), "\n")
		require.Empty(t, rest, "one record is one line")
		require.NotContains(t, line, "\x1b")
		for _, r := range line {
			require.False(t, unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp), "%q", r)
		}
		require.True(t, utf8.ValidString(line))
	}
}

func TestLogger_ASecretStaysHiddenAndTheRequestIDIsThere(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	ctx := telemetry.WithRequestID(context.Background(), "req_1")
	telemetry.NewLogger(&out, slog.LevelInfo, false).InfoContext(ctx, "m", "code", secret.NewString("12345678"))
	require.NotContains(t, out.String(), "12345678")
	require.Contains(t, out.String(), `"request_id":"req_1"`)
}

func TestClean_KeepsWhatIsHarmlessAndCutsWhatIsEndless(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Grüße, 世界 🙂", telemetry.Clean("Grüße, 世界 🙂"))
	require.Equal(t, `a\u{a}b\xff`, telemetry.Clean("a\nb\xff"))
	require.Less(t, len(telemetry.Clean(strings.Repeat("x", 1<<20))), 2100)
}

func FuzzClean(f *testing.F) {
	f.Add(hostile)
	f.Add(strings.Repeat("\u202e", 5000))
	f.Fuzz(func(t *testing.T, text string) {
		clean := telemetry.Clean(text)
		require.True(t, utf8.ValidString(clean))
		require.Equal(t, -1, strings.IndexFunc(clean, func(r rune) bool {
			return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
		}))
		require.LessOrEqual(t, len(clean), 2048+32)
	})
}

func TestRequestID_TakesOverOnlyWhatIsSafe(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "0af7651916cd43dd8448eb211c80319c", "A-b_c.9", strings.Repeat("x", 64)} {
		require.Equal(t, good, telemetry.RequestID(good))
	}
	for _, bad := range []string{"", "a b", "a\nb", "é", "<script>", strings.Repeat("x", 65), hostile} {
		got := telemetry.RequestID(bad)
		require.Regexp(t, `^req_[a-z2-7]{26}$`, got)
		require.NotEqual(t, got, telemetry.RequestID(bad))
	}
	require.Empty(t, telemetry.RequestIDFrom(context.Background()))
}

func FuzzRequestID(f *testing.F) {
	f.Add("req_1")
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, inbound string) {
		require.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, telemetry.RequestID(inbound))
	})
}

func TestEvent_IsOneLineWithEverythingLearnedOnTheWay(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	ctx, event := telemetry.Begin(context.Background(), telemetry.NewLogger(&out, slog.LevelInfo, false), "request")
	ctx = telemetry.WithRequestID(ctx, "req_9")
	inner := telemetry.EventFrom(ctx)
	inner.Set("route", "/v1/recoveries")
	inner.Set("status", 500)
	inner.Set("status", 422)
	inner.Fail(fault.CodeProofRefused, errors.New("the first cause"))
	inner.Fail(fault.CodeInternal, errors.New("a consequence"))
	event.Flush(ctx)
	event.Flush(ctx)

	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(out.String()), &line), "exactly one line: %s", out.String())
	require.Equal(t, "request", line["msg"])
	require.Equal(t, "INFO", line["level"])
	require.Equal(t, "/v1/recoveries", line["route"])
	require.InDelta(t, 422, line["status"], 0)
	require.Equal(t, "proof_refused", line["code"])
	require.Equal(t, "the first cause", line["error"])
	require.Equal(t, "req_9", line["request_id"])
	require.Contains(t, line, "duration_ms")
	require.Equal(t, fault.CodeProofRefused, event.Code())
}

func TestEvent_OnlyOurOwnFaultsAreErrors(t *testing.T) {
	t.Parallel()
	for code, want := range map[fault.Code]string{
		"": "INFO", fault.CodeProofRefused: "INFO", fault.CodeThrottled: "INFO", fault.CodeUnavailable: "WARN", fault.CodeInternal: "ERROR", "no_such_code": "ERROR",
	} {
		var out strings.Builder
		ctx, event := telemetry.Begin(context.Background(), telemetry.NewLogger(&out, slog.LevelInfo, false), "request")
		if code != "" {
			event.Fail(code, nil)
		}
		event.Flush(ctx)
		require.Contains(t, out.String(), `"level":"`+want+`"`, code)
	}
}

func TestEvent_WithoutOneNothingHappensAndWithManyKeysItStaysBounded(t *testing.T) {
	t.Parallel()
	absent := telemetry.EventFrom(context.Background())
	absent.Set("key", 1)
	absent.Fail(fault.CodeInternal, nil)
	absent.Flush(context.Background())
	require.Empty(t, absent.Code())

	var out strings.Builder
	ctx, event := telemetry.Begin(context.Background(), telemetry.NewLogger(&out, slog.LevelInfo, false), "request")
	for i := range 1000 {
		event.Set("key_"+strings.Repeat("x", i), i)
	}
	event.Flush(ctx)
	require.Equal(t, 64, strings.Count(out.String(), `"key_`))
}
