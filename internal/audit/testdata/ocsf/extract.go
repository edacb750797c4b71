// Command extract reduces a checkout of the OCSF schema (github.com/ocsf/ocsf-schema, Apache-2.0) to what the events of the audit log
// are checked against: the classes and objects that they use, with everything that the schema says of them but its prose.
//
//	git -C ocsf-schema checkout 1.4.0
//	go run internal/audit/testdata/ocsf/extract.go ocsf-schema > internal/audit/testdata/ocsf/schema-1.4.0.json
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// wanted are the classes and objects that the export may use.
var (
	classes = []string{"account_change", "authentication", "entity_management", "api_activity", "detection_finding"}
	objects = []string{"metadata", "product", "actor", "user", "managed_entity", "api", "network_endpoint", "service", "finding_info"}
)

type attribute struct {
	Type        string            `json:"type"`
	Array       bool              `json:"array,omitempty"`
	Requirement string            `json:"requirement,omitempty"`
	Enum        map[string]string `json:"enum,omitempty"` // value to caption
	Sibling     string            `json:"sibling,omitempty"`
	Profile     string            `json:"profile,omitempty"` // it is there only where the profile is named
	Deprecated  string            `json:"deprecated,omitempty"`
}

type definition struct {
	Caption     string               `json:"caption"`
	UID         int                  `json:"uid,omitempty"`
	Category    int                  `json:"category_uid,omitempty"`
	Constraints map[string][]string  `json:"constraints,omitempty"`
	Attributes  map[string]attribute `json:"attributes"`
}

type kind struct {
	Base  string `json:"base,omitempty"`
	Regex string `json:"regex,omitempty"`
}

type reduced struct {
	Notice  string                `json:"notice"`
	Version string                `json:"version"`
	Types   map[string]kind       `json:"types"`
	Classes map[string]definition `json:"classes"`
	Objects map[string]definition `json:"objects"`
}

type object = map[string]any

var root string

func main() {
	root = os.Args[1]
	dictionary := read("dictionary.json")
	out := reduced{
		Notice:  "Reduced from the Open Cybersecurity Schema Framework, github.com/ocsf/ocsf-schema, under the Apache License, Version 2.0, by extract.go beside this file: prose, and what the audit log's events do not use, were left out.",
		Version: read("version.json")["version"].(string), Types: map[string]kind{}, Classes: map[string]definition{}, Objects: map[string]definition{},
	}
	for name, t := range dictionary["types"].(object)["attributes"].(object) {
		out.Types[name] = kind{Base: text(t.(object)["type"]), Regex: text(t.(object)["regex"])}
	}
	files := map[string]string{}
	for _, pattern := range []string{"events/*.json", "events/*/*.json", "objects/*.json"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, path := range found {
			rel, _ := filepath.Rel(root, path)
			name := text(read(rel)["name"])
			files[strings.SplitN(rel, "/", 2)[0]+"/"+name] = rel
		}
	}
	categories := read("categories.json")["attributes"].(object)
	for _, name := range classes {
		d := resolve(files, "events", name)
		x := define(d, dictionary)
		x.Category = int(categories[text(d["category"])].(object)["uid"].(float64))
		x.UID = x.Category*1000 + int(d["uid"].(float64))
		// The schema's compiler fills these in for each class.
		for name, value := range map[string]int{"class_uid": x.UID, "category_uid": x.Category} {
			a := x.Attributes[name]
			a.Enum = map[string]string{fmt.Sprint(value): x.Caption}
			if name == "category_uid" {
				a.Enum[fmt.Sprint(value)] = text(categories[text(d["category"])].(object)["caption"])
			}
			x.Attributes[name] = a
		}
		out.Classes[fmt.Sprint(x.UID)] = x
	}
	for _, name := range objects {
		out.Objects[name] = define(resolve(files, "objects", name), dictionary)
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	must(enc.Encode(out))
}

// resolve reads a definition with what it extends and includes.
func resolve(files map[string]string, folder, name string) object {
	d := read(files[folder+"/"+name])
	own, _ := d["attributes"].(object)
	merged := object{}
	if parent := text(d["extends"]); parent != "" {
		up := resolve(files, folder, parent)
		merged = up["attributes"].(object)
		for _, key := range []string{"category", "constraints"} {
			if _, ok := d[key]; !ok && up[key] != nil {
				d[key] = up[key]
			}
		}
	}
	if includes, ok := own["$include"].([]any); ok {
		for _, path := range includes {
			p := read(path.(string))
			for name, a := range p["attributes"].(object) {
				a := maps.Clone(a.(object))
				if _, said := a["profile"]; !said {
					a["profile"] = p["name"]
				}
				merge(merged, name, a)
			}
		}
		delete(own, "$include")
	}
	for name, a := range own {
		merge(merged, name, a.(object))
	}
	d["attributes"] = merged
	return d
}

// merge lays an attribute over what is there.
func merge(into object, name string, a object) {
	old, ok := into[name].(object)
	if !ok {
		into[name] = a
		return
	}
	both := maps.Clone(old)
	for key, value := range a {
		if was, ok := both[key].(object); ok && key == "enum" {
			enum := maps.Clone(was)
			maps.Copy(enum, value.(object))
			value = enum
		}
		both[key] = value
	}
	into[name] = both
}

// define says of each attribute what the dictionary and the definition say.
func define(d, dictionary object) definition {
	out := definition{Caption: text(d["caption"]), Attributes: map[string]attribute{}}
	if c, ok := d["constraints"].(object); ok {
		out.Constraints = map[string][]string{}
		for rule, names := range c {
			for _, n := range names.([]any) {
				out.Constraints[rule] = append(out.Constraints[rule], n.(string))
			}
		}
	}
	for name, a := range d["attributes"].(object) {
		all := object{name: dictionary["attributes"].(object)[name]}
		merge(all, name, a.(object))
		x := all[name].(object)
		entry := attribute{
			Type: text(x["type"]), Requirement: text(x["requirement"]), Sibling: text(x["sibling"]), Profile: text(x["profile"]),
		}
		entry.Array, _ = x["is_array"].(bool)
		if old, ok := x["@deprecated"].(object); ok {
			entry.Deprecated = text(old["since"])
		}
		if enum, ok := x["enum"].(object); ok {
			entry.Enum = map[string]string{}
			for value, e := range enum {
				entry.Enum[value] = text(e.(object)["caption"])
			}
		}
		out.Attributes[name] = entry
	}
	return out
}

func read(path string) object {
	content, err := os.ReadFile(filepath.Join(root, path))
	must(err)
	var out object
	must(json.Unmarshal(content, &out))
	return out
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
