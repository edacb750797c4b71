package policy

import (
	"embed"
	"fmt"
)

// The presets that ship.
const (
	PresetNIST     = "nist"     // SP 800-63B-4 section 4.2 to the letter
	PresetBalanced = "balanced" // the default: low-risk recoveries of single-factor accounts without a hold, all others held
)

//go:embed presets/*.yaml
var presets embed.FS

// Presets lists the presets' names.
func Presets() []string { return []string{PresetBalanced, PresetNIST} }

// PresetSource gives the YAML text of a preset, to start one's own document from.
func PresetSource(name string) ([]byte, error) {
	for _, known := range Presets() {
		if name == known {
			return presets.ReadFile("presets/" + name + ".yaml")
		}
	}
	return nil, fmt.Errorf("unknown preset: one of %v is expected", Presets())
}

// Preset loads a preset.
func Preset(name string) (*Policy, error) {
	source, err := PresetSource(name)
	if err != nil {
		return nil, err
	}
	return FromYAML(source)
}
