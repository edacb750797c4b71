package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Prefix begins the name of every variable.
const Prefix = "HOLDFAST_"

// testPrefix begins the names that belong to the tests' own tools; the service does not look at them.
const testPrefix = Prefix + "TEST_"

// Load makes the configuration of environ, entries of the form NAME=value of which the last of a name counts, and checks
// it for the purposes. Without a purpose only what is set is checked. An empty value is the same as none, but for
// HOLDFAST_DATABASE_ROLE, where it means no role.
//
// The error is an *Error that holds every problem found.
func Load(environ []string, purposes ...Purpose) (Config, error) {
	vars := env.ToMap(environ)
	var c Config
	var ps problems
	for _, s := range sections(&c) {
		parse(s, vars, &ps)
	}
	unknown(vars, &ps)
	if role, ok := vars[Prefix+"DATABASE_ROLE"]; ok && role == "" {
		c.Database.Role = ""
	}
	fillDefaults(&c)
	c.check(&ps)
	for _, p := range purposes {
		c.checkPurpose(p, &ps)
	}
	if err := ps.err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// sections lists the structs that hold variables. Each is parsed by itself, because the parser names the field that is
// wrong and not its variable.
func sections(c *Config) []any {
	return []any{c, &c.HTTP, &c.Database, &c.Keys, &c.Limits, &c.Policy, &c.Audit, &c.Retention, &c.SMTP, &c.Twilio, &c.Texts, &c.Signals, &c.Workforce, &c.Alerts, &c.Log}
}

// parse fills one section and notes what could not be read, without repeating it.
func parse(section any, vars map[string]string, ps *problems) {
	err := env.ParseWithOptions(section, env.Options{Environment: vars, Prefix: Prefix})
	if err == nil {
		return
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		ps.add("", "cannot be read")
		return
	}
	for _, one := range all.Errors {
		var pe env.ParseError
		if !errors.As(one, &pe) {
			ps.add("", "cannot be read")
			continue
		}
		field, _ := reflect.TypeOf(section).Elem().FieldByName(pe.Name)
		ps.add(field.Tag.Get("env"), expected(pe))
	}
}

// expected says what a value of the type looks like.
func expected(pe env.ParseError) string {
	switch {
	case errors.Is(pe.Err, errSize), errors.Is(pe.Err, errPrefixes), errors.Is(pe.Err, errWitnesses):
		return pe.Err.Error()
	case pe.Type.String() == "time.Duration":
		return "must be a duration such as 30s or 10m"
	case pe.Type.String() == "slog.Level":
		return "must be debug, info, warn or error"
	case pe.Type.Kind() == reflect.Float64:
		return "must be a number"
	default:
		return "must be a whole number"
	}
}

// orchestrator matches what Docker and Kubernetes put into the environment of every container for a service that is
// called holdfast or holdfast-…: nobody misspelt these.
const orchestrator = `^HOLDFAST_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`

// unknown notes every variable with our prefix that we do not have.
func unknown(vars map[string]string, ps *problems) {
	known := map[string]bool{}
	for _, v := range Variables() {
		known[v.Name] = true
	}
	injected := regexp.MustCompile(orchestrator)
	for name, value := range vars {
		switch {
		case known[name], !strings.HasPrefix(name, Prefix), strings.HasPrefix(name, testPrefix):
		case injected.MatchString(name), strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://"):
		default:
			ps.add(strings.TrimPrefix(name, Prefix), didYouMean(name))
		}
	}
}

// didYouMean says that a variable is unknown and names the nearest one, when one is near.
func didYouMean(name string) string {
	best, distance := "", 4
	for _, v := range Variables() {
		if d := editDistance(name, v.Name); d < distance {
			best, distance = v.Name, d
		}
	}
	if best == "" {
		return "is not a known variable"
	}
	return fmt.Sprintf("is not a known variable; did you mean %s?", best)
}

// editDistance counts the single-byte edits that turn a into b. Names far longer than any of ours are not compared.
func editDistance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
