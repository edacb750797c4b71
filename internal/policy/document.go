package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast/holdfast/internal/factor"
)

// document is the YAML document as written. load.go reads it, validate.go and floor.go judge it.
type document struct {
	Version         string                     `yaml:"version"`
	Description     string                     `yaml:"description"`
	Fallback        string                     `yaml:"fallback_population"` // for accounts of a population that is not listed
	Thresholds      thresholds                 `yaml:"thresholds"`
	Signals         map[Signal]weights         `yaml:"signals"`
	Tiers           map[Tier]terms             `yaml:"tiers"`
	ReadyFor        duration                   `yaml:"ready_for"`
	SingleFactorLow bool                       `yaml:"single_factor_low"` // AAL1 accounts of tier low go without a hold
	Ageing          map[factor.Method]duration `yaml:"ageing"`
	RiskAnalyses    map[factor.Method]string   `yaml:"risk_analysis_refs"`
	Evidence        map[string][]alternative   `yaml:"evidence"` // by aal1, aal2, aal3
	Populations     map[string]population      `yaml:"populations"`
	Rules           []ruleDoc                  `yaml:"rules"`
	Deviations      []deviationDoc             `yaml:"deviations"`
}

// population is a class of accounts. What it leaves out is the document's.
type population struct {
	Description string                     `yaml:"description"`
	Methods     []factor.Method            `yaml:"methods"`
	MinTier     Tier                       `yaml:"min_tier"`
	DeferToIDP  bool                       `yaml:"defer_to_idp"`
	Evidence    map[string][]alternative   `yaml:"evidence"`
	Tiers       map[Tier]terms             `yaml:"tiers"`
	Ageing      map[factor.Method]duration `yaml:"ageing"`
}

// terms are what a tier costs.
type terms struct {
	Hold      duration `yaml:"hold"`
	Probation duration `yaml:"probation"`
	Approvals int      `yaml:"approvals"`
}

type ruleDoc struct {
	Name    string `yaml:"name"`
	When    string `yaml:"when"`
	RaiseTo Tier   `yaml:"raise_to"`
	Reason  string `yaml:"reason"`
}

type deviationDoc struct {
	Requirement string `yaml:"requirement"`
	Reason      string `yaml:"reason"`
}

func (d document) deviates(requirement string) bool {
	return slices.ContainsFunc(d.Deviations, func(x deviationDoc) bool { return x.Requirement == requirement })
}

// alternative is a list of needs, all to be met: [S, I] or [{class: I, methods: [email], min_age: 30d}, A].
type alternative []need

type need struct {
	Class   factor.Class
	Methods []factor.Method
	MinAge  duration
}

// UnmarshalYAML reads a class letter or a mapping. It refuses unknown fields by itself: the decoder's strictness does not
// reach into custom types.
func (n *need) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		n.Class = factor.Class(node.Value)
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a need is a class letter or a mapping of class, methods, min_age", node.Line)
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		var err error
		switch key.Value {
		case "class":
			err = value.Decode(&n.Class)
		case "methods":
			err = value.Decode(&n.Methods)
		case "min_age":
			err = value.Decode(&n.MinAge)
		default:
			err = fmt.Errorf("line %d: a need has no field %q", key.Line, key.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// duration is written as Go does (24h, 90m) or in whole days (7d).
type duration time.Duration

const day = 24 * time.Hour

// UnmarshalYAML reads a duration.
func (d *duration) UnmarshalYAML(node *yaml.Node) error {
	v, err := parseDuration(node.Value)
	if err != nil || node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a duration such as 24h or 7d is expected", node.Line)
	}
	*d = duration(v)
	return nil
}

func parseDuration(s string) (time.Duration, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	n, err := strconv.ParseUint(days, 10, 16) // 16 bits of days cannot overflow
	if err != nil {
		return 0, err
	}
	return time.Duration(n) * day, nil
}

// inDays writes a duration as the documents do.
func inDays(d time.Duration) string {
	switch {
	case d >= 2*day && d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	default:
		return d.String()
	}
}
