package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"sort"

	"github.com/holdfast/holdfast/internal/secret"
)

// Variable describes one variable, for help texts and for the checks of documents that name variables.
type Variable struct {
	Name    string // with the prefix
	Default string
	Help    string
	Secret  bool
}

// Variables lists every variable in the order of their names. It is made from the tags of Config.
func Variables() []Variable {
	var out []Variable
	each(&Config{}, func(f reflect.StructField, _ reflect.Value) {
		out = append(out, Variable{
			Name:    Prefix + f.Tag.Get("env"),
			Default: f.Tag.Get("envDefault"),
			Help:    f.Tag.Get("help"),
			Secret:  f.Type == reflect.TypeFor[secret.String](),
		})
	})
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Setting is one variable and what it is set to. A secret that is set reads "[redacted]".
type Setting struct {
	Name  string
	Value string
}

// Settings renders the whole configuration in the order of the variables' names, without secrets.
func (c Config) Settings() []Setting {
	var out []Setting
	each(&c, func(f reflect.StructField, v reflect.Value) {
		out = append(out, Setting{Name: Prefix + f.Tag.Get("env"), Value: render(v.Interface())})
	})
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// MarshalJSON renders the configuration as one object, variable to value, without secrets.
func (c Config) MarshalJSON() ([]byte, error) {
	values := map[string]string{}
	for _, s := range c.Settings() {
		values[s.Name] = s.Value
	}
	return json.Marshal(values)
}

// LogValue renders the configuration for the log, without secrets.
func (c Config) LogValue() slog.Value {
	settings := c.Settings()
	attrs := make([]slog.Attr, len(settings))
	for i, s := range settings {
		attrs[i] = slog.String(s.Name, s.Value)
	}
	return slog.GroupValue(attrs...)
}

// each visits every field that has a variable.
func each(c *Config, visit func(reflect.StructField, reflect.Value)) {
	for _, section := range sections(c) {
		v := reflect.ValueOf(section).Elem()
		for i := range v.NumField() {
			if name := v.Type().Field(i).Tag.Get("env"); name != "-" {
				visit(v.Type().Field(i), v.Field(i))
			}
		}
	}
}

// render writes one value; nothing that redacts itself is ever asked for more.
func render(value any) string {
	if s, ok := value.(secret.String); ok && s.IsZero() {
		return ""
	}
	return fmt.Sprint(value)
}
