package main

import (
	"os"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/policy"
)

type policyCmd struct {
	Check policyCheckCmd `cmd:"" help:"Prove what a policy document promises, and name what it deviates from."`
	Show  policyShowCmd  `cmd:"" help:"Print a preset, to start a document from."`
}

type policyCheckCmd struct {
	File string `arg:"" help:"The document (YAML), or the name of a preset: balanced, nist."`
}

// Help tells what is proven and the exit codes.
func (policyCheckCmd) Help() string {
	return `Proves over every population, assurance level, tier and set of evidence that a stricter tier is never easier to pass than a
laxer one, and lists the clauses of NIST SP 800-63B-4 that are met or deviated from. Exit code 0: all is well; 3: the document does not hold.`
}

// Run checks.
func (c policyCheckCmd) Run(e *env) error {
	p, err := loadPolicy(c.File)
	if err != nil {
		return err
	}
	report := policy.Check(p)
	e.printf("%s", report.Text())
	if !report.OK() {
		return errCheckFailed
	}
	return nil
}

func loadPolicy(name string) (*policy.Policy, error) {
	for _, preset := range policy.Presets() {
		if name == preset {
			return policy.Preset(name)
		}
	}
	text, err := os.ReadFile(name) //nolint:gosec // the operator names the file.
	if err != nil {
		return nil, fault.Wrap(err, "read policy")
	}
	return policy.FromYAML(text)
}

type policyShowCmd struct {
	Preset string `arg:"" help:"The preset's name: balanced, nist."`
}

// Run prints the preset's source.
func (c policyShowCmd) Run(e *env) error {
	text, err := policy.PresetSource(c.Preset)
	if err != nil {
		return err
	}
	e.printf("%s", text)
	return nil
}
