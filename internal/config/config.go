// Package config turns the environment into one typed, validated, printable value.
//
// It is the only place that knows the names of the HOLDFAST_ variables. Everything wrong with them is reported at once,
// by variable, and no message and no rendering ever repeats a value that could be a secret. A variable that is not known
// is an error, because a misspelt limit is a limit that is not there.
package config

import (
	"log/slog"
	"time"

	"github.com/holdfast/holdfast/internal/secret"
)

// Config is everything that may differ between two installations. It is a value: nothing reads the environment later.
// Each field names its variable (without the prefix HOLDFAST_), its default and what it means; docs and checks are made
// from these tags.
type Config struct {
	Mode        Mode      `env:"MODE" envDefault:"production" help:"production or dev; dev permits http links, the development clock and limits that are multiplied"`
	Role        Role      `env:"ROLE" envDefault:"both" help:"what this node does: serve (the API), work (jobs) or both"`
	Workers     int       `env:"WORKERS" envDefault:"20" help:"jobs worked on at the same time, 1 to 1000"`
	DataDir     string    `env:"DATA_DIR" help:"where holdfast dev keeps its database, keys and dev.json; it chooses a folder when absent"`
	PGBin       string    `env:"PG_BIN" help:"folder of the PostgreSQL binaries that holdfast dev and the tests start"`
	LimitFactor float64   `env:"LIMIT_FACTOR" envDefault:"1" help:"multiplies every edge limit; dev only"`
	HTTP        HTTP      `env:"-"`
	Database    Database  `env:"-"`
	Keys        Keys      `env:"-"`
	Limits      Limits    `env:"-"`
	Policy      Policy    `env:"-"`
	Audit       Audit     `env:"-"`
	Retention   Retention `env:"-"`
	SMTP        SMTP      `env:"-"`
	Twilio      Twilio    `env:"-"`
	Texts       Texts     `env:"-"`
	Signals     Signals   `env:"-"`
	Log         Log       `env:"-"`
	Workforce   Workforce `env:"-"`
	Alerts      Alerts    `env:"-"`
}

// Alerts is whom the service tells of abuse. It is off without an address.
type Alerts struct {
	AlertmanagerURL secret.String `env:"ALERTMANAGER_URL" help:"a Prometheus Alertmanager that is told of abuse alerts (http or https; may hold a name and a password)"`
	RunbookURL      string        `env:"RUNBOOK_URL" help:"what the links from alerts to runbooks begin with; where deploy/runbooks is published"`
}

// Enabled reports whether an Alertmanager is told.
func (a Alerts) Enabled() bool { return !a.AlertmanagerURL.IsZero() }

// HTTP is how the service is reached.
type HTTP struct {
	Listen          string        `env:"LISTEN" help:"address of the public API; :8080, in dev 127.0.0.1:8080"`
	AdminListen     string        `env:"ADMIN_LISTEN" envDefault:"127.0.0.1:8081" help:"address of health, readiness and metrics; never public"`
	PublicURL       string        `env:"PUBLIC_URL" help:"what every link in a message begins with; https, in dev http is allowed"`
	TrustedProxies  Prefixes      `env:"TRUSTED_PROXIES" help:"prefixes of the proxies whose X-Forwarded-For is believed, separated by commas"`
	ProxyHops       int           `env:"PROXY_HOPS" envDefault:"0" help:"how many trusted proxies stand before the service, 0 to 10"`
	ReadTimeout     time.Duration `env:"READ_TIMEOUT" envDefault:"10s" help:"to read a whole request, 1s to 60s"`
	WriteTimeout    time.Duration `env:"WRITE_TIMEOUT" envDefault:"30s" help:"to read and answer a request, 1s to 120s"`
	HandlerTimeout  time.Duration `env:"HANDLER_TIMEOUT" envDefault:"10s" help:"for the work of one request, below WRITE_TIMEOUT"`
	Slots           int           `env:"SLOTS" envDefault:"0" help:"requests that work at the same time, objections not counted; what comes beyond waits briefly and is shed, new recoveries first; 0 for three quarters of DB_MAX_CONNS"`
	BodyLimit       Bytes         `env:"BODY_LIMIT" envDefault:"64KiB" help:"the largest request body, 1KiB to 1MiB"`
	ImportBodyLimit Bytes         `env:"IMPORT_BODY_LIMIT" envDefault:"2GiB" help:"the largest body of an account import, 1MiB to 16GiB"`
	TLSCert         string        `env:"TLS_CERT" help:"certificate file (PEM), when no proxy ends TLS"`
	TLSKey          string        `env:"TLS_KEY" help:"key file (PEM) of TLS_CERT"`
	TLSClientCA     string        `env:"TLS_CLIENT_CA" help:"file (PEM) of the authorities whose client certificates redeeming a grant demands (R-115)"`
}

// Database is where the truth is.
type Database struct {
	URL        secret.String `env:"DATABASE_URL" help:"PostgreSQL, as the role that the service signs in with"`
	Role       string        `env:"DATABASE_ROLE" envDefault:"holdfast_service" help:"role that every connection takes on, so that audit rows cannot be changed; empty for none"`
	MigrateURL secret.String `env:"MIGRATE_DATABASE_URL" help:"PostgreSQL, as the owner of the schema, for holdfast migrate; DATABASE_URL when absent"`
	MaxConns   int32         `env:"DB_MAX_CONNS" envDefault:"16" help:"connections of this node, 4 to 1000"`
}

// Keys is where the keyring comes from: exactly one of the two outside dev.
type Keys struct {
	File string        `env:"KEYRING_FILE" help:"file of the keyring (JSON), readable by the service alone"`
	JSON secret.String `env:"KEYRING" help:"the keyring itself (JSON), when there is no file"`
}

// Limits is where the edge's and the identities' limits are counted, and by which numbers.
type Limits struct {
	Store    LimitStore    `env:"LIMIT_STORE" envDefault:"postgres" help:"where limits are counted: postgres, or redis for higher rates; what counts attempts is always in PostgreSQL"`
	RedisURL secret.String `env:"REDIS_URL" help:"Redis (redis://, rediss:// or unix://) for LIMIT_STORE=redis; its maxmemory-policy must be noeviction"`
	Rules    string        `env:"LIMITS" help:"other numbers for some limits, as in: start_source=5-H,20-D;start_device=5-H (holdfast limits lists them)"`
}

// Policy is what recoveries demand.
type Policy struct {
	Preset  Preset        `env:"POLICY" help:"the preset in force when nothing else is: balanced or nist; balanced when absent"`
	File    string        `env:"POLICY_FILE" help:"a policy document (YAML) in place of a preset"`
	CodeTTL time.Duration `env:"CODE_TTL" envDefault:"10m" help:"how long a code that was sent is valid, 1m to 10m (R-025)"`
}

// Audit is the sealed audit log.
type Audit struct {
	Origin     string `env:"AUDIT_ORIGIN" help:"the name of the log, which its checkpoints carry; the host of PUBLIC_URL and /audit when absent. A new name begins a new log"`
	AnchorFile string `env:"AUDIT_ANCHOR_FILE" help:"file of this node that checkpoints are appended to before they are published: it tells a restored database that would fork the log"`

	WebhookURL     secret.String `env:"AUDIT_WEBHOOK_URL" help:"receiver of yours that is sent every published checkpoint, and answers 409 when it holds a larger or another one; https, in dev http is allowed"`
	WebhookSecret  secret.String `env:"AUDIT_WEBHOOK_SECRET" help:"what is sent to AUDIT_WEBHOOK_URL is signed with (Standard Webhooks): whsec_ and base64 of 24 to 64 bytes; two, separated by a blank, while it is exchanged"`
	Witnesses      Witnesses     `env:"AUDIT_WITNESSES" help:"witnesses that cosign checkpoints (C2SP tlog-witness): verifier key, a blank, submission prefix (https, in dev http is allowed); separated by commas"`
	WitnessQuorum  int           `env:"AUDIT_WITNESS_QUORUM" envDefault:"0" help:"of how many witnesses a node wants an answer before it seals for the first time; 0 for all"`
	AnchorNetworks Prefixes      `env:"AUDIT_ANCHOR_NETWORKS" help:"internal prefixes in which that receiver and those witnesses may be all the same, separated by commas; loopback and link-local in dev only"`
	AnchorCA       string        `env:"AUDIT_ANCHOR_CA" help:"authorities (PEM) that their certificates are checked against, in place of the system's"`
}

// Retention is how long things are kept (deploy/retention.md).
type Retention struct {
	Work    time.Duration `env:"RETENTION_WORK" envDefault:"720h" help:"how long a recovery's working data, and what was taken off an account, are kept after the end, 720h to 17520h"`
	Origins time.Duration `env:"RETENTION_ORIGINS" envDefault:"2160h" help:"how long audit events say from which truncated network and by which request they came, 720h to 17520h"`

	AuditMonths int `env:"RETENTION_AUDIT_MONTHS" envDefault:"24" help:"how many months an audit event is kept after its month's end before holdfast audit retire may take it out, 24 to 1200"`
}

// SMTP is the mail server. It is off without a host.
type SMTP struct {
	Host     string        `env:"SMTP_HOST" help:"mail server; mail is off without it"`
	Port     int           `env:"SMTP_PORT" envDefault:"587" help:"its port"`
	Username string        `env:"SMTP_USERNAME" help:"account at the mail server"`
	Password secret.String `env:"SMTP_PASSWORD" help:"password of SMTP_USERNAME"`
	TLS      TLSMode       `env:"SMTP_TLS" envDefault:"starttls" help:"starttls, implicit, or none (never with a password)"`
	From     string        `env:"SMTP_FROM" help:"sender of every mail, as in: Example Recovery <recovery@example.com>"`
}

// Enabled reports whether mail can be sent.
func (s SMTP) Enabled() bool { return s.Host != "" }

// Twilio is the provider of text messages. It is off without an account.
type Twilio struct {
	AccountSID          string        `env:"TWILIO_ACCOUNT_SID" help:"account (AC…); text messages are off without it"`
	AuthToken           secret.String `env:"TWILIO_AUTH_TOKEN" help:"token of TWILIO_ACCOUNT_SID; also checks its callbacks"`
	From                string        `env:"TWILIO_FROM" help:"sending number (E.164)"`
	MessagingServiceSID string        `env:"TWILIO_MESSAGING_SERVICE_SID" help:"messaging service (MG…) in place of TWILIO_FROM"`
	Replies             bool          `env:"TWILIO_REPLIES" envDefault:"false" help:"the number's incoming messages come to PUBLIC_URL/v1/providers/twilio/messages: notices say that NO is an answer"`
	CallbackFields      string        `env:"TWILIO_CALLBACK_FIELDS" help:"names of fields that Twilio's callbacks have beyond those that are known, separated by commas"`
	Lookup              bool          `env:"TWILIO_LOOKUP" envDefault:"false" help:"ask Twilio Lookup for line type and SIM swap before a code is sent; what it does not say counts as unknown, which raises the tier"`
	LookupBaseURL       string        `env:"TWILIO_LOOKUP_BASE_URL" help:"another address for Twilio's Lookup; https, in dev http is allowed"`
	BaseURL             string        `env:"TWILIO_BASE_URL" help:"another address for Twilio's API; https, in dev http is allowed"`
}

// Enabled reports whether text messages can be sent.
func (t Twilio) Enabled() bool { return t.AccountSID != "" }

// Signals is how other systems are told.
type Signals struct {
	Networks Prefixes `env:"SIGNAL_NETWORKS" help:"internal prefixes that webhooks and tokens may be sent to all the same, separated by commas; loopback and link-local in dev only"`
	CA       string   `env:"SIGNAL_CA" help:"authorities (PEM) that receivers' certificates are checked against, in place of the system's"`
}

// Workforce is who signs in as a person of the company. Nobody does without a file.
type Workforce struct {
	File string `env:"WORKFORCE_FILE" help:"document (YAML) of the OpenID providers whose people may sign in, their roles and the step-up; nobody may without it"`
}

// Texts is where text messages may go and what they may cost.
type Texts struct {
	Countries  Countries `env:"TEXT_COUNTRIES" help:"countries whose numbers get text messages, as in GB,DE; none when absent, in dev GB,US; a tenant may have its own list"`
	PrefixHour int       `env:"TEXT_PREFIX_HOUR" envDefault:"20" help:"codes an hour to numbers that differ in their last four digits alone, 1 to 1000"`
	CountryDay int       `env:"TEXT_COUNTRY_DAY" envDefault:"20" help:"codes a day to a tenant's numbers of one country, or three times what is verified if that is more, 1 to 1000000"`
	TenantDay  int       `env:"TEXT_TENANT_DAY" envDefault:"2000" help:"codes by text a day of one tenant, which may set less, 1 to 10000000"`
	Day        int       `env:"TEXT_DAY" envDefault:"10000" help:"codes by text a day in all, 1 to 10000000"`
}

// Log is how much is written down, and in which form.
type Log struct {
	Level  slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	Format LogFormat  `env:"LOG_FORMAT" help:"json or text; json, in dev text"`
}

// Dev reports whether this is a development installation.
func (c Config) Dev() bool { return c.Mode == Dev }

// Serves reports whether this node answers the API.
func (c Config) Serves() bool { return c.Role == Serve || c.Role == Both }

// Works reports whether this node works on jobs.
func (c Config) Works() bool { return c.Role == Work || c.Role == Both }
