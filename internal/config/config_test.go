package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/internal/config"
)

// production is the least that a serving node needs.
func production(more ...string) []string {
	return append([]string{
		"HOLDFAST_DATABASE_URL=postgres://holdfast:hunter2@db.example.test/holdfast",
		"HOLDFAST_PUBLIC_URL=https://recovery.example.test",
		"HOLDFAST_KEYRING={}",
		"HOLDFAST_SMTP_HOST=mail.example.test",
		"HOLDFAST_SMTP_FROM=Example Recovery <recovery@example.test>",
	}, more...)
}

func TestLoad_AProductionNodeNeedsLittleAndGetsDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(production(), config.ForServing, config.ForMessaging)
	require.NoError(t, err)
	require.Equal(t, config.Production, c.Mode)
	require.Equal(t, ":8080", c.HTTP.Listen)
	require.Equal(t, "127.0.0.1:8081", c.HTTP.AdminListen)
	require.Equal(t, config.JSON, c.Log.Format)
	require.Equal(t, slog.LevelInfo, c.Log.Level)
	require.Equal(t, config.Balanced, c.Policy.Preset)
	require.Equal(t, 10*time.Minute, c.Policy.CodeTTL)
	require.Equal(t, 64*config.KiB, c.HTTP.BodyLimit)
	require.Equal(t, "holdfast_service", c.Database.Role)
	require.Equal(t, "postgres://holdfast:hunter2@db.example.test/holdfast", c.Database.URL.Reveal())
	require.True(t, c.Serves() && c.Works() && c.SMTP.Enabled() && !c.Twilio.Enabled() && !c.Dev())
}

func TestLoad_DevNeedsNothingAndListensToThisMachineOnly(t *testing.T) {
	t.Parallel()
	c, err := config.Load([]string{"HOLDFAST_MODE=dev", "HOLDFAST_DATA_DIR=/var/lib/x", "HOLDFAST_LIMIT_FACTOR=100"},
		config.ForServing, config.ForMessaging, config.ForDevelopment)
	require.NoError(t, err)
	require.True(t, c.Dev())
	require.Equal(t, "127.0.0.1:8080", c.HTTP.Listen)
	require.Equal(t, config.Text, c.Log.Format)
	require.InDelta(t, 100, c.LimitFactor, 0)
}

func TestLoad_TheLastEntryOfANameCountsAndAnEmptyOneIsNone(t *testing.T) {
	t.Parallel()
	c, err := config.Load(append(production("HOLDFAST_MODE=production", "HOLDFAST_WORKERS=", "HOLDFAST_DATABASE_ROLE="), "HOLDFAST_MODE=dev"))
	require.NoError(t, err)
	require.Equal(t, config.Dev, c.Mode)
	require.Equal(t, 20, c.Workers)
	require.Empty(t, c.Database.Role, "an empty role means none")
}

func TestLoad_APurposeNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environ []string
		purpose config.Purpose
		want    []string
	}{
		"serving":                   {nil, config.ForServing, []string{"HOLDFAST_DATABASE_URL", "HOLDFAST_KEYRING_FILE", "HOLDFAST_PUBLIC_URL"}},
		"operating":                 {nil, config.ForOperating, []string{"HOLDFAST_DATABASE_URL", "HOLDFAST_KEYRING_FILE"}},
		"migrating":                 {nil, config.ForMigrating, []string{"HOLDFAST_DATABASE_URL"}},
		"migrating as the owner":    {[]string{"HOLDFAST_MIGRATE_DATABASE_URL=postgres://db.example.test/h"}, config.ForMigrating, nil},
		"the owner does not serve":  {[]string{"HOLDFAST_MIGRATE_DATABASE_URL=postgres://db.example.test/h", "HOLDFAST_KEYRING={}"}, config.ForOperating, []string{"HOLDFAST_DATABASE_URL"}},
		"messaging":                 {nil, config.ForMessaging, []string{"HOLDFAST_SMTP_HOST"}},
		"development in production": {[]string{"HOLDFAST_DATA_DIR=/tmp/x"}, config.ForDevelopment, []string{"HOLDFAST_MODE"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(tc.environ, tc.purpose)
			require.Equal(t, tc.want, wrong(t, err))
			if err == nil {
				require.NoError(t, c.Validate(tc.purpose))
			}
		})
	}
}

func TestLoad_EveryBoundIsKeptAndNamesItsVariable(t *testing.T) {
	t.Parallel()
	sid := strings.Repeat("0", 32)
	for _, tc := range []struct {
		set     string // separated by blanks
		refused string // the variables, "" when all is well
	}{
		{"MODE=prod", "MODE"},
		{"ROLE=servant", "ROLE"},
		{"WORKERS=0", "WORKERS"},
		{"WORKERS=1001", "WORKERS"},
		{"WORKERS=many", "WORKERS"},
		{"WORKERS=1000", ""},
		{"LIMIT_FACTOR=2", "LIMIT_FACTOR"},
		{"MODE=dev LIMIT_FACTOR=2", ""},
		{"MODE=dev LIMIT_FACTOR=0", "LIMIT_FACTOR"},
		{"MODE=dev LIMIT_FACTOR=NaN", "LIMIT_FACTOR"},
		{"MODE=dev LIMIT_FACTOR=+Inf", "LIMIT_FACTOR"},
		{"LIMIT_FACTOR=x", "LIMIT_FACTOR"},
		{"LISTEN=8080", "LISTEN"},
		{"LISTEN=:99999", "LISTEN"},
		{"LISTEN=[::1]:8080", ""},
		{"LISTEN=:0 ADMIN_LISTEN=:0", ""},
		{"LISTEN=:9000 ADMIN_LISTEN=:9000", "ADMIN_LISTEN"},
		{"LISTEN=ex..ample/x:80", "LISTEN"},
		{"PUBLIC_URL=http://recovery.example.test", "PUBLIC_URL"},
		{"MODE=dev PUBLIC_URL=http://localhost:8080", ""},
		{"PUBLIC_URL=https://u:p@example.test", "PUBLIC_URL"},
		{"PUBLIC_URL=https://example.test/?a=b", "PUBLIC_URL"},
		{"PUBLIC_URL=https://example.test/#", "PUBLIC_URL"},
		{"PUBLIC_URL=//example.test", "PUBLIC_URL"},
		{"PUBLIC_URL=https://:443", "PUBLIC_URL"},
		{"PUBLIC_URL=javascript:alert(1)", "PUBLIC_URL"},
		{"PUBLIC_URL=https://example.test/recovery/", ""},
		{"PROXY_HOPS=1", "PROXY_HOPS"},
		{"TRUSTED_PROXIES=10.0.0.0/8", "PROXY_HOPS"},
		{"TRUSTED_PROXIES=10.0.0.0/8,fd00::1 PROXY_HOPS=1", ""},
		{"TRUSTED_PROXIES=0.0.0.0/0 PROXY_HOPS=1", "TRUSTED_PROXIES"},
		{"TRUSTED_PROXIES=all PROXY_HOPS=1", "TRUSTED_PROXIES"},
		{"TRUSTED_PROXIES=10.0.0.0/8 PROXY_HOPS=11", "PROXY_HOPS"},
		{"TRUSTED_PROXIES=10.0.0.0/8 PROXY_HOPS=-1", "PROXY_HOPS,PROXY_HOPS"},
		{"READ_TIMEOUT=0s", "READ_TIMEOUT"},
		{"READ_TIMEOUT=61s", "READ_TIMEOUT"},
		{"READ_TIMEOUT=10", "READ_TIMEOUT"},
		{"WRITE_TIMEOUT=3m", "WRITE_TIMEOUT"},
		{"HANDLER_TIMEOUT=30s", "HANDLER_TIMEOUT"},
		{"HANDLER_TIMEOUT=29s", ""},
		{"HANDLER_TIMEOUT=-1s", "HANDLER_TIMEOUT"},
		{"BODY_LIMIT=2MiB", "BODY_LIMIT"},
		{"BODY_LIMIT=0", "BODY_LIMIT"},
		{"BODY_LIMIT=-1", "BODY_LIMIT"},
		{"BODY_LIMIT=32KiB", ""},
		{"BODY_LIMIT=99999999999GiB", "BODY_LIMIT"},
		{"IMPORT_BODY_LIMIT=17GiB", "IMPORT_BODY_LIMIT"},
		{"IMPORT_BODY_LIMIT=1MiB", ""},
		{"TLS_CERT=/c.pem", "TLS_KEY"},
		{"TLS_KEY=/k.pem", "TLS_KEY"},
		{"TLS_CLIENT_CA=/ca.pem", "TLS_CLIENT_CA"},
		{"TLS_CERT=/c TLS_KEY=/k TLS_CLIENT_CA=/ca", ""},
		{"DB_MAX_CONNS=3", "DB_MAX_CONNS"},
		{"DB_MAX_CONNS=1001", "DB_MAX_CONNS"},
		{"DATABASE_ROLE=x;drop", "DATABASE_ROLE"},
		{"DATABASE_ROLE=holdfast_b", ""},
		{"DATABASE_URL=mysql://db", "DATABASE_URL"},
		{"MIGRATE_DATABASE_URL=host=db", "MIGRATE_DATABASE_URL"},
		{"POLICY=lax", "POLICY"},
		{"POLICY=nist", ""},
		{"POLICY=nist POLICY_FILE=/p.yaml", "POLICY"},
		{"POLICY_FILE=/p.yaml", ""},
		{"CODE_TTL=10m1s", "CODE_TTL"},
		{"CODE_TTL=59s", "CODE_TTL"},
		{"CODE_TTL=10m", ""},
		{"KEYRING_FILE=/k.json", "KEYRING"},
		{"TEXT_COUNTRIES=GB,de", "TEXT_COUNTRIES"},
		{"TEXT_COUNTRIES=GB,DE", ""},
		{"TEXT_PREFIX_HOUR=0", "TEXT_PREFIX_HOUR"},
		{"TWILIO_LOOKUP=true TWILIO_ACCOUNT_SID=", "TWILIO_LOOKUP"},
		{"LIMIT_STORE=memory", "LIMIT_STORE"},
		{"LIMIT_STORE=redis", "REDIS_URL"},
		{"REDIS_URL=redis://cache", "REDIS_URL"},
		{"LIMIT_STORE=redis REDIS_URL=http://cache", "REDIS_URL"},
		{"LIMIT_STORE=redis REDIS_URL=rediss://u:p@cache/0", ""},
		{"SMTP_TLS=ssl", "SMTP_TLS"},
		{"SMTP_TLS=none", ""},
		{"SMTP_TLS=none SMTP_USERNAME=u SMTP_PASSWORD=p", "SMTP_TLS"},
		{"SMTP_PORT=0", "SMTP_PORT"},
		{"SMTP_HOST=mail:25", "SMTP_HOST"},
		{"SMTP_FROM=nobody", "SMTP_FROM"},
		{"SMTP_USERNAME=u", "SMTP_PASSWORD"},
		{"SMTP_HOST=", "SMTP_HOST"},
		{"TWILIO_AUTH_TOKEN=t", "TWILIO_ACCOUNT_SID"},
		{"TWILIO_ACCOUNT_SID=AC" + sid + " TWILIO_AUTH_TOKEN=t TWILIO_FROM=+15550100", ""},
		{"TWILIO_ACCOUNT_SID=AC" + sid + " TWILIO_AUTH_TOKEN=t TWILIO_MESSAGING_SERVICE_SID=MG" + sid, ""},
		{"TWILIO_ACCOUNT_SID=MG" + sid + " TWILIO_AUTH_TOKEN=t TWILIO_MESSAGING_SERVICE_SID=AC" + sid, "TWILIO_ACCOUNT_SID,TWILIO_MESSAGING_SERVICE_SID"},
		{"TWILIO_ACCOUNT_SID=AC" + sid, "TWILIO_AUTH_TOKEN,TWILIO_FROM"},
		{"TWILIO_ACCOUNT_SID=AC" + sid + " TWILIO_AUTH_TOKEN=t TWILIO_FROM=5550100", "TWILIO_FROM"},
		{"TWILIO_REPLIES=true", "TWILIO_ACCOUNT_SID"},
		{"TWILIO_ACCOUNT_SID=AC" + sid + " TWILIO_AUTH_TOKEN=t TWILIO_FROM=+15550100 TWILIO_REPLIES=true TWILIO_CALLBACK_FIELDS=NewField,OtherField", ""},
		{"TWILIO_ACCOUNT_SID=AC" + sid + " TWILIO_AUTH_TOKEN=t TWILIO_FROM=+15550100 TWILIO_CALLBACK_FIELDS=a=b", "TWILIO_CALLBACK_FIELDS"},
		{"TWILIO_BASE_URL=http://127.0.0.1:9", "TWILIO_BASE_URL"},
		{"MODE=dev TWILIO_BASE_URL=http://127.0.0.1:9", ""},
		{"LOG_LEVEL=loud", "LOG_LEVEL"},
		{"LOG_FORMAT=xml", "LOG_FORMAT"},
		{"LOG_LEVEL=debug LOG_FORMAT=text", ""},
	} {
		t.Run(tc.set, func(t *testing.T) {
			t.Parallel()
			environ := production()
			for field := range strings.FieldsSeq(tc.set) {
				environ = append(environ, config.Prefix+field)
			}
			_, err := config.Load(environ)
			var want []string
			for name := range strings.SplitSeq(tc.refused, ",") {
				if name != "" {
					want = append(want, config.Prefix+name)
				}
			}
			require.Equal(t, want, wrong(t, err), "%v", err)
		})
	}
}

func TestLoad_EverythingWrongIsReportedAtOnceInOrder(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{"HOLDFAST_WORKERS=x", "HOLDFAST_CODE_TTL=1h", "HOLDFAST_MODE=y", "HOLDFAST_BODY_LIMIT=z"}, config.ForServing)
	require.Equal(t, []string{
		"HOLDFAST_BODY_LIMIT", "HOLDFAST_CODE_TTL", "HOLDFAST_DATABASE_URL", "HOLDFAST_KEYRING_FILE", "HOLDFAST_MODE", "HOLDFAST_PUBLIC_URL", "HOLDFAST_WORKERS",
	}, wrong(t, err))
}

func TestLoad_AMisspeltVariableIsRefusedWithTheNearestName(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{"HOLDFAST_SMTP_PASWORD=x", "HOLDFAST_COMPLETELY_DIFFERENT_THING=y", "OTHER=z"})
	require.Equal(t, []string{"HOLDFAST_COMPLETELY_DIFFERENT_THING", "HOLDFAST_SMTP_PASWORD"}, wrong(t, err))
	require.ErrorContains(t, err, "did you mean HOLDFAST_SMTP_PASSWORD?")
}

func TestLoad_WhatAnOrchestratorInjectsIsNoMisspelling(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{
		"HOLDFAST_SERVICE_HOST=10.0.0.1", "HOLDFAST_SERVICE_PORT=80", "HOLDFAST_SERVICE_PORT_HTTP=80", "HOLDFAST_PORT=tcp://10.0.0.1:80",
		"HOLDFAST_PORT_80_TCP=tcp://10.0.0.1:80", "HOLDFAST_PORT_80_TCP_PROTO=tcp", "HOLDFAST_PORT_80_TCP_PORT=80", "HOLDFAST_PORT_80_TCP_ADDR=10.0.0.1",
		"HOLDFAST_ADMIN_PORT=tcp://10.0.0.2:81", "HOLDFAST_ADMIN_SERVICE_HOST=10.0.0.2", "HOLDFAST_TEST_DATABASE_URL=anything",
	})
	require.NoError(t, err)
}

func TestConfig_NoRenderingShowsASecret(t *testing.T) {
	t.Parallel()
	const hidden = "s3cr3t"
	c, err := config.Load(production(
		"HOLDFAST_DATABASE_URL=postgres://u:"+hidden+"@db.example.test/h", "HOLDFAST_MIGRATE_DATABASE_URL=postgres://o:"+hidden+"@db.example.test/h",
		"HOLDFAST_KEYRING={\""+hidden+"\":1}", "HOLDFAST_SMTP_USERNAME=u", "HOLDFAST_SMTP_PASSWORD="+hidden,
		"HOLDFAST_TWILIO_ACCOUNT_SID=AC"+strings.Repeat("0", 32), "HOLDFAST_TWILIO_AUTH_TOKEN="+hidden, "HOLDFAST_TWILIO_FROM=+15550100",
	), config.ForServing)
	require.NoError(t, err)

	asJSON, err := json.Marshal(c)
	require.NoError(t, err)
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("configuration", "config", c)
	for _, text := range []string{
		string(asJSON), logged.String(), fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprint(c.Settings()),
	} {
		require.NotContains(t, text, hidden)
		require.Contains(t, text, "redacted")
	}
	require.Contains(t, string(asJSON), `"HOLDFAST_KEYRING":"[redacted]"`)
	require.Contains(t, string(asJSON), `"HOLDFAST_BODY_LIMIT":"64KiB"`)
	require.Contains(t, string(asJSON), `"HOLDFAST_KEYRING_FILE":""`)
}

func TestLoad_NoErrorRepeatsAValue(t *testing.T) {
	t.Parallel()
	const hidden = "s3cr3t"
	var environ []string
	for _, v := range config.Variables() {
		environ = append(environ, v.Name+"="+hidden+"\x7f%zz://"+hidden)
	}
	_, err := config.Load(environ, config.ForServing)
	require.Error(t, err)
	require.NotContains(t, err.Error(), hidden)
}

func TestConfig_WhatItPrintsLoadsAgain(t *testing.T) {
	t.Parallel()
	c, err := config.Load([]string{"HOLDFAST_MODE=dev", "HOLDFAST_TRUSTED_PROXIES=10.1.2.3/8, 192.0.2.1", "HOLDFAST_PROXY_HOPS=2", "HOLDFAST_LOG_LEVEL=warn", "HOLDFAST_IMPORT_BODY_LIMIT=1500000"})
	require.NoError(t, err)
	var environ []string
	for _, s := range c.Settings() {
		environ = append(environ, s.Name+"="+s.Value)
	}
	require.Contains(t, environ, "HOLDFAST_TRUSTED_PROXIES=10.0.0.0/8,192.0.2.1/32")
	again, err := config.Load(environ)
	require.NoError(t, err)
	require.Equal(t, c, again)
}

func TestVariables_EachIsDocumentedAndUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, v := range config.Variables() {
		require.NotEmpty(t, v.Help, v.Name)
		require.False(t, seen[v.Name], v.Name)
		require.True(t, !v.Secret || v.Default == "", v.Name)
		seen[v.Name] = true
	}
}

func TestKeys_AFileThatOthersMayWriteIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyring.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"a":1}`), 0o600))
	keys := config.Keys{File: path}

	text, err := keys.Read()
	require.NoError(t, err)
	require.Equal(t, `{"a":1}`, text.Reveal())

	require.NoError(t, os.Chmod(path, 0o666))
	_, err = keys.Read()
	require.ErrorContains(t, err, "only its owner may write")

	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, make([]byte, 64<<10+1), 0o600))
	_, err = keys.Read()
	require.ErrorContains(t, err, "over 64 KiB")

	_, err = config.Keys{File: filepath.Dir(path)}.Read()
	require.Error(t, err)
	none, err := config.Keys{}.Read()
	require.NoError(t, err)
	require.True(t, none.IsZero())
}

func FuzzLoad(f *testing.F) {
	f.Add("MODE", "dev", "LISTEN", ":0")
	f.Add("TRUSTED_PROXIES", "::ffff:10.0.0.1,,", "PROXY_HOPS", "-9223372036854775808")
	f.Add("DATABASE_URL", "postgres://u:s3cr3t\x00@[::1", "SMTP_FROM", "=?utf-8?q?=00?= <a@b>, c@d")
	f.Add("PUBLIC_URL", "https://%41:80%zz", "BODY_LIMIT", "18446744073709551615GiB")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		c, err := config.Load(production(config.Prefix+name1+"="+value1, config.Prefix+name2+"="+value2))
		if err != nil {
			require.NotEmpty(t, wrong(t, err))
			return
		}
		require.NoError(t, c.Validate(), "what loads is valid")
		require.LessOrEqual(t, c.Policy.CodeTTL, 10*time.Minute)
	})
}

func FuzzBytes(f *testing.F) {
	for _, seed := range []string{"64KiB", "1GiB", "0", "12B", "-1", "1.5MiB", "KiB", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, again config.Bytes
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		require.GreaterOrEqual(t, b, config.Bytes(0))
		require.NoError(t, again.UnmarshalText([]byte(b.String())))
		require.Equal(t, b, again)
	})
}

// wrong lists the variables that an error names.
func wrong(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var ce *config.Error
	require.ErrorAs(t, err, &ce)
	var out []string
	for _, p := range ce.Problems {
		out = append(out, p.Variable)
	}
	return out
}

// retention is never below what the machine needs.
func TestLoad_RetentionHasAFloor(t *testing.T) {
	t.Parallel()
	c, err := config.Load(production(), config.ForServing)
	require.NoError(t, err)
	require.Equal(t, 720*time.Hour, c.Retention.Work)
	require.Equal(t, 2160*time.Hour, c.Retention.Origins)
	require.Equal(t, 24, c.Retention.AuditMonths)
	_, err = config.Load(production("HOLDFAST_RETENTION_AUDIT_MONTHS=23"), config.ForServing)
	require.ErrorContains(t, err, "HOLDFAST_RETENTION_AUDIT_MONTHS must be from")
	_, err = config.Load(production("HOLDFAST_RETENTION_WORK=719h59m", "HOLDFAST_RETENTION_ORIGINS=24h"), config.ForServing)
	require.ErrorContains(t, err, "HOLDFAST_RETENTION_WORK must be from")
	require.ErrorContains(t, err, "HOLDFAST_RETENTION_ORIGINS must be from")
}

//
func TestAudit_AnchorsOutsideAreWholeAndOutside(t *testing.T) {
	t.Parallel()
	const (
		key   = "witness.example/w1+c555c99a+BHRlc3QgdGVzdCB0ZXN0IHRlc3QgdGVzdCB0ZXN0IHRl"
		other = "witness.example/w2+0948d621+BHRlc3QgdGVzdCB0ZXN0IHRlc3QgdGVzdCB0ZXN0IHRf"
		hook  = "AUDIT_WEBHOOK_URL=https://keeper.example/hook-9f2"
		sec   = "AUDIT_WEBHOOK_SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	)
	for name, tc := range map[string]struct {
		set   []string
		wrong []string
	}{
		"a receiver":                 {set: []string{hook, sec}},
		"witnesses":                  {set: []string{"AUDIT_WITNESSES=" + key + " https://w1.example/api/, " + other + " https://w2.example", "AUDIT_WITNESS_QUORUM=1"}},
		"a network":                  {set: []string{"AUDIT_ANCHOR_NETWORKS=10.0.0.0/8"}},
		"a receiver without secret":  {set: []string{hook}, wrong: []string{"AUDIT_WEBHOOK_SECRET"}},
		"a secret without receiver":  {set: []string{sec}, wrong: []string{"AUDIT_WEBHOOK_SECRET"}},
		"a secret too short":         {set: []string{hook, "AUDIT_WEBHOOK_SECRET=whsec_MfKQ"}, wrong: []string{"AUDIT_WEBHOOK_SECRET"}},
		"a receiver in clear":        {set: []string{"AUDIT_WEBHOOK_URL=http://keeper.example/", sec}, wrong: []string{"AUDIT_WEBHOOK_URL"}},
		"a receiver with a password": {set: []string{"AUDIT_WEBHOOK_URL=https://a:b@keeper.example/", sec}, wrong: []string{"AUDIT_WEBHOOK_URL"}},
		"no key":                     {set: []string{"AUDIT_WITNESSES=x https://w1.example"}, wrong: []string{"AUDIT_WITNESSES"}},
		"no address":                 {set: []string{"AUDIT_WITNESSES=" + key}, wrong: []string{"AUDIT_WITNESSES"}},
		"a witness in clear":         {set: []string{"AUDIT_WITNESSES=" + key + " http://w1.example"}, wrong: []string{"AUDIT_WITNESSES"}},
		"a witness twice":            {set: []string{"AUDIT_WITNESSES=" + key + " https://w1.example," + key + " https://w2.example"}, wrong: []string{"AUDIT_WITNESSES"}},
		"more than there are":        {set: []string{"AUDIT_WITNESSES=" + key + " https://w1.example", "AUDIT_WITNESS_QUORUM=2"}, wrong: []string{"AUDIT_WITNESS_QUORUM"}},
		"loopback":                   {set: []string{"AUDIT_ANCHOR_NETWORKS=127.0.0.0/8"}, wrong: []string{"AUDIT_ANCHOR_NETWORKS"}},
		"a cloud's own address":      {set: []string{"AUDIT_ANCHOR_NETWORKS=169.254.169.254"}, wrong: []string{"AUDIT_ANCHOR_NETWORKS"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var environ []string
			for _, s := range tc.set {
				environ = append(environ, config.Prefix+s)
			}
			c, err := config.Load(production(environ...))
			var want []string
			for _, w := range tc.wrong {
				want = append(want, config.Prefix+w)
			}
			require.Equal(t, want, wrong(t, err))
			if err != nil {
				require.NotContains(t, err.Error(), "MfKQ")
				return
			}
			text, err := json.Marshal(c)
			require.NoError(t, err)
			require.NotContains(t, string(text), "9f2")
			require.NotContains(t, string(text), "MfKQ")
		})
	}
}
