package config

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/audit"
	"github.com/holdfast/holdfast/internal/secret"
)

// Purpose is what a command needs of the configuration beyond its being well formed.
type Purpose int

// The purposes. Outside dev each makes certain variables mandatory; dev brings its own database, keys and senders.
const (
	ForMigrating   Purpose = iota + 1 // a database
	ForOperating                      // a database and the keyring: clients, accounts, audit
	ForServing                        // what operating needs, and the public URL
	ForMessaging                      // a way to send messages
	ForDevelopment                    // HOLDFAST_MODE=dev
)

// Validate checks every bound again, for a Config that was changed after it was loaded.
func (c Config) Validate(purposes ...Purpose) error {
	var ps problems
	c.check(&ps)
	for _, p := range purposes {
		c.checkPurpose(p, &ps)
	}
	return ps.err()
}

// fillDefaults sets what depends on another variable.
func fillDefaults(c *Config) {
	if c.HTTP.Listen == "" {
		c.HTTP.Listen = ":8080"
		if c.Dev() {
			c.HTTP.Listen = "127.0.0.1:8080" // dev answers with codes and tokens: to this machine only, unless asked
		}
	}
	if len(c.Texts.Countries) == 0 && c.Dev() {
		c.Texts.Countries = Countries{"GB", "US"} // where the numbers of examples live
	}
	if c.Log.Format == "" {
		c.Log.Format = JSON
		if c.Dev() {
			c.Log.Format = Text
		}
	}
	if c.Policy.Preset == "" && c.Policy.File == "" {
		c.Policy.Preset = Balanced
	}
	c.HTTP.PublicURL = strings.TrimSuffix(c.HTTP.PublicURL, "/")
}

// checkPurpose notes what the purpose needs and is not there.
func (c Config) checkPurpose(p Purpose, ps *problems) {
	if p == ForDevelopment {
		ps.require(c.Dev(), "MODE", "must be dev for this command")
		return
	}
	if c.Dev() {
		return
	}
	if p == ForMessaging {
		ps.require(c.SMTP.Enabled() || c.Twilio.Enabled(), "SMTP_HOST", "or HOLDFAST_TWILIO_ACCOUNT_SID is required: notices must be able to leave")
		return
	}
	haveURL := !c.Database.URL.IsZero() || p == ForMigrating && !c.Database.MigrateURL.IsZero()
	ps.require(haveURL, "DATABASE_URL", "is required")
	if p == ForMigrating {
		return
	}
	ps.require(c.Keys.File != "" || !c.Keys.JSON.IsZero(), "KEYRING_FILE", "or HOLDFAST_KEYRING is required")
	if p == ForServing {
		ps.require(c.HTTP.PublicURL != "", "PUBLIC_URL", "is required: links are never made from a request's Host (R-035)")
	}
}

// check notes every bound that is broken.
func (c Config) check(ps *problems) {
	oneOf(ps, "MODE", c.Mode, Production, Dev)
	oneOf(ps, "ROLE", c.Role, Serve, Work, Both)
	within(ps, "WORKERS", c.Workers, 1, 1000)
	within(ps, "LIMIT_FACTOR", c.LimitFactor, 0.001, 1_000_000)
	ps.require(c.Dev() || ps.has("LIMIT_FACTOR") || c.LimitFactor == 1, "LIMIT_FACTOR", "may differ from 1 in dev only")
	c.checkHTTP(ps)
	c.checkDatabase(ps)
	c.checkLimits(ps)
	c.checkPolicy(ps)
	c.checkSMTP(ps)
	c.checkTwilio(ps)
	c.checkSignals(ps)
	c.checkAudit(ps)
	c.checkTexts(ps)
	// The database refuses less: history is looked at for thirty days, and a denial can be appealed for as long.
	within(ps, "RETENTION_WORK", c.Retention.Work, 720*time.Hour, 17520*time.Hour)
	within(ps, "RETENTION_ORIGINS", c.Retention.Origins, 720*time.Hour, 17520*time.Hour)
	within(ps, "RETENTION_AUDIT_MONTHS", c.Retention.AuditMonths, 24, 1200) // the database refuses less
	checkBaseURL(ps, "RUNBOOK_URL", c.Alerts.RunbookURL, true)
	if !ps.has("LOG_FORMAT") {
		oneOf(ps, "LOG_FORMAT", c.Log.Format, JSON, Text)
	}
	both := c.Keys.File != "" && !c.Keys.JSON.IsZero()
	ps.require(!both, "KEYRING", "and HOLDFAST_KEYRING_FILE exclude each other")
}

func (c Config) checkHTTP(ps *problems) {
	h := c.HTTP
	checkListen(ps, "LISTEN", h.Listen)
	checkListen(ps, "ADMIN_LISTEN", h.AdminListen)
	anyPort := strings.HasSuffix(h.Listen, ":0")
	ps.require(h.Listen != h.AdminListen || anyPort, "ADMIN_LISTEN", "must differ from HOLDFAST_LISTEN: metrics are never public")
	checkBaseURL(ps, "PUBLIC_URL", h.PublicURL, c.Dev())

	within(ps, "SLOTS", h.Slots, 0, 10_000)
	within(ps, "PROXY_HOPS", h.ProxyHops, 0, 10)
	ps.require((h.ProxyHops > 0) == (len(h.TrustedProxies) > 0) || ps.has("TRUSTED_PROXIES"), "PROXY_HOPS",
		"and HOLDFAST_TRUSTED_PROXIES need each other: a forwarded address is believed from a known hop only (R-078)")
	for _, p := range h.TrustedProxies {
		ps.require(p.Bits() > 0, "TRUSTED_PROXIES", "must not trust every address")
	}

	durations := []struct {
		name        string
		value       time.Duration
		least, most time.Duration
	}{
		{"READ_TIMEOUT", h.ReadTimeout, time.Second, time.Minute},
		{"WRITE_TIMEOUT", h.WriteTimeout, time.Second, 2 * time.Minute},
		{"HANDLER_TIMEOUT", h.HandlerTimeout, 100 * time.Millisecond, 2 * time.Minute},
	}
	for _, d := range durations {
		within(ps, d.name, d.value, d.least, d.most)
	}
	if !ps.has("HANDLER_TIMEOUT") && !ps.has("WRITE_TIMEOUT") {
		ps.require(h.HandlerTimeout < h.WriteTimeout, "HANDLER_TIMEOUT", "must be below HOLDFAST_WRITE_TIMEOUT, or no timeout is ever answered")
	}
	within(ps, "BODY_LIMIT", h.BodyLimit, KiB, MiB)
	within(ps, "IMPORT_BODY_LIMIT", h.ImportBodyLimit, MiB, 16*GiB)

	ps.require((h.TLSCert == "") == (h.TLSKey == ""), "TLS_KEY", "and HOLDFAST_TLS_CERT need each other")
	ps.require(h.TLSClientCA == "" || h.TLSCert != "", "TLS_CLIENT_CA", "needs HOLDFAST_TLS_CERT")
}

func (c Config) checkDatabase(ps *problems) {
	within(ps, "DB_MAX_CONNS", c.Database.MaxConns, 4, 1000)
	// The role's name goes into a SET ROLE statement: an identifier and nothing else.
	role := regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	ps.require(c.Database.Role == "" || role.MatchString(c.Database.Role), "DATABASE_ROLE", "must be a plain lower-case identifier")
	for name, text := range map[string]string{"DATABASE_URL": c.Database.URL.Reveal(), "MIGRATE_DATABASE_URL": c.Database.MigrateURL.Reveal()} {
		if text == "" {
			continue
		}
		// A parse error would repeat the password: only its existence is told.
		u, err := url.Parse(text)
		ok := err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql")
		ps.require(ok, name, "must be a postgres:// URL")
	}
}

func (c Config) checkLimits(ps *problems) {
	l := c.Limits
	oneOf(ps, "LIMIT_STORE", l.Store, InPostgres, InRedis)
	if ps.has("LIMIT_STORE") {
		return
	}
	ps.require((l.Store == InRedis) == !l.RedisURL.IsZero(), "REDIS_URL", "and HOLDFAST_LIMIT_STORE=redis need each other")
	if l.RedisURL.IsZero() {
		return
	}
	// A parse error would repeat the password: only its existence is told.
	u, err := url.Parse(l.RedisURL.Reveal())
	ps.require(err == nil && slices.Contains([]string{"redis", "rediss", "unix"}, u.Scheme), "REDIS_URL", "must be a redis://, rediss:// or unix:// URL")
}

func (c Config) checkPolicy(ps *problems) {
	if c.Policy.Preset != "" {
		oneOf(ps, "POLICY", c.Policy.Preset, Balanced, NIST)
	}
	ps.require(c.Policy.Preset == "" || c.Policy.File == "", "POLICY", "and HOLDFAST_POLICY_FILE exclude each other")
	within(ps, "CODE_TTL", c.Policy.CodeTTL, time.Minute, 10*time.Minute) // R-025, ASVS 6.5.5
}

func (c Config) checkSMTP(ps *problems) {
	s := c.SMTP
	oneOf(ps, "SMTP_TLS", s.TLS, StartTLS, Implicit, NoTLS)
	within(ps, "SMTP_PORT", s.Port, 1, 65535)
	if !s.Enabled() {
		ps.require(s.Username == "" && s.Password.IsZero() && s.From == "", "SMTP_HOST", "is required when another SMTP variable is set")
		return
	}
	ps.require(validHost(s.Host), "SMTP_HOST", "must be a host name or an address, without a port")
	from, err := mail.ParseAddress(s.From)
	ps.require(err == nil && strings.Contains(from.Address, "@"), "SMTP_FROM", "must be one mail address")
	ps.require((s.Username == "") == s.Password.IsZero(), "SMTP_PASSWORD", "and HOLDFAST_SMTP_USERNAME need each other")
	ps.require(s.TLS != NoTLS || s.Password.IsZero(), "SMTP_TLS", "must not be none when there is a password")
}

func (c Config) checkTwilio(ps *problems) {
	t := c.Twilio
	checkBaseURL(ps, "TWILIO_BASE_URL", t.BaseURL, c.Dev())
	if !t.Enabled() {
		ps.require(t.AuthToken.IsZero() && t.From == "" && t.MessagingServiceSID == "" && !t.Replies, "TWILIO_ACCOUNT_SID", "is required when another Twilio variable is set")
		return
	}
	sid := regexp.MustCompile(`^(AC|MG)[0-9a-fA-F]{32}$`)
	number := regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	ps.require(sid.MatchString(t.AccountSID) && strings.HasPrefix(t.AccountSID, "AC"), "TWILIO_ACCOUNT_SID", "must be AC and 32 hexadecimal digits")
	ps.require(!t.AuthToken.IsZero(), "TWILIO_AUTH_TOKEN", "is required with HOLDFAST_TWILIO_ACCOUNT_SID")
	ps.require((t.From == "") != (t.MessagingServiceSID == ""), "TWILIO_FROM", "or HOLDFAST_TWILIO_MESSAGING_SERVICE_SID is required, and not both")
	ps.require(t.From == "" || number.MatchString(t.From), "TWILIO_FROM", "must be a number such as +15550100")
	field := regexp.MustCompile(`^[A-Z][A-Za-z0-9]{1,63}$`)
	for name := range strings.FieldsFuncSeq(t.CallbackFields, isComma) {
		ps.require(field.MatchString(name), "TWILIO_CALLBACK_FIELDS", "must be names such as NumSegments")
	}
	service := t.MessagingServiceSID
	ps.require(service == "" || sid.MatchString(service) && strings.HasPrefix(service, "MG"), "TWILIO_MESSAGING_SERVICE_SID", "must be MG and 32 hexadecimal digits")
}

func isComma(r rune) bool { return r == ',' }

// checkSignals keeps an installation from opening itself: what listens on this machine, and what a cloud answers on its
// link-local address, is never a receiver.
func (c Config) checkSignals(ps *problems) {
	c.checkNetworks(ps, "SIGNAL_NETWORKS", c.Signals.Networks)
}

func (c Config) checkNetworks(ps *problems, name string, networks Prefixes) {
	for _, p := range networks {
		for _, never := range []string{"127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10", "0.0.0.0/32", "::/128"} {
			ps.require(c.Dev() || ps.has(name) || !p.Overlaps(netip.MustParsePrefix(never)), name,
				"must not hold loopback and link-local addresses outside dev")
		}
	}
}

// checkAudit checks the anchors outside. What is wrong with the receiver's address or secret is told without them.
func (c Config) checkAudit(ps *problems) {
	a := c.Audit
	c.checkNetworks(ps, "AUDIT_ANCHOR_NETWORKS", a.AnchorNetworks)
	ps.require(a.WebhookURL.IsZero() == a.WebhookSecret.IsZero(), "AUDIT_WEBHOOK_SECRET", "and HOLDFAST_AUDIT_WEBHOOK_URL need each other")
	if !a.WebhookURL.IsZero() {
		u, err := url.Parse(a.WebhookURL.Reveal())
		ok := err == nil && u.Hostname() != "" && u.User == nil && u.Fragment == "" && (u.Scheme == "https" || c.Dev() && u.Scheme == "http")
		ps.require(ok, "AUDIT_WEBHOOK_URL", "must be an https:// URL without user and fragment (http:// in dev only)")
	}
	if !a.WebhookSecret.IsZero() {
		if _, err := secret.ParseWebhookSecrets(a.WebhookSecret); err != nil {
			ps.add("AUDIT_WEBHOOK_SECRET", err.Error())
		}
	}
	if ps.has("AUDIT_WITNESSES") {
		return
	}
	_, err := audit.ParseWitnesses(a.Witnesses.Keys())
	ps.require(err == nil, "AUDIT_WITNESSES", "must be keys of witnesses (name+hash+key of type 4, Ed25519 cosigners), each name and each key once")
	for _, w := range a.Witnesses {
		checkBaseURL(ps, "AUDIT_WITNESSES", w.Prefix, c.Dev())
	}
	within(ps, "AUDIT_WITNESS_QUORUM", a.WitnessQuorum, 0, len(a.Witnesses))
}

func (c Config) checkTexts(ps *problems) {
	t := c.Texts
	within(ps, "TEXT_PREFIX_HOUR", t.PrefixHour, 1, 1000)
	within(ps, "TEXT_COUNTRY_DAY", t.CountryDay, 1, 1_000_000)
	within(ps, "TEXT_TENANT_DAY", t.TenantDay, 1, 10_000_000)
	within(ps, "TEXT_DAY", t.Day, 1, 10_000_000)
	checkBaseURL(ps, "TWILIO_LOOKUP_BASE_URL", c.Twilio.LookupBaseURL, c.Dev())
	ps.require(!c.Twilio.Lookup || c.Twilio.Enabled(), "TWILIO_LOOKUP", "needs HOLDFAST_TWILIO_ACCOUNT_SID")
}

// within notes a value outside its bounds, both of which are allowed, unless it could not even be read.
func within[T int | int32 | float64 | time.Duration | Bytes](ps *problems, name string, value, least, most T) {
	if !ps.has(name) && !(value >= least && value <= most) { // written so that NaN is outside
		ps.add(name, "must be from "+text(least)+" to "+text(most))
	}
}

// text writes a bound as it would be set.
func text(value any) string {
	switch v := value.(type) {
	case time.Duration:
		return v.String()
	case Bytes:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int32:
		return strconv.Itoa(int(v))
	case int:
		return strconv.Itoa(v)
	default:
		return "?"
	}
}

// oneOf notes a value that is none of the allowed ones.
func oneOf[T ~string](ps *problems, name string, value T, allowed ...T) {
	if slices.Contains(allowed, value) {
		return
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	ps.add(name, "must be one of: "+strings.Join(names, ", "))
}

// checkListen notes an address that cannot be listened on.
func checkListen(ps *problems, name, address string) {
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	ok := err == nil && portErr == nil && n <= 65535 && (host == "" || validHost(host))
	ps.require(ok, name, "must be an address such as :8080 or 127.0.0.1:8080")
}

// checkBaseURL notes a URL that cannot be a base: it must be absolute and carry no user, query or fragment.
func checkBaseURL(ps *problems, name, base string, dev bool) {
	if base == "" {
		return
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(base, "#") {
		ps.add(name, "must be an absolute URL without user, query or fragment")
		return
	}
	ps.require(u.Scheme == "https" || dev && u.Scheme == "http", name, "must begin with https:// (http:// in dev only)")
}

// validHost reports whether text is a host name or an address.
func validHost(text string) bool {
	if net.ParseIP(text) != nil {
		return true
	}
	return regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`).MatchString(text)
}
