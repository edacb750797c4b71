package policy

import (
	"fmt"

	"cel.dev/cel-go/cel"

	"github.com/holdfast/holdfast/internal/factor"
)

// The bounds of a tenant's rules. An evaluation is cut off at the cost, whatever the facts are.
const (
	maxRules      = 32
	maxRuleLength = 2000
	maxRuleCost   = 20_000
	maxRuleDepth  = 32
)

// rule is a compiled rule of the document. It can only raise. It is safe for concurrent use.
type rule struct {
	name    string
	raiseTo Tier
	reason  string
	program cel.Program
}

// met evaluates the rule. An error, the cut-off by cost included, is for the caller to read as met.
func (r rule) met(vars map[string]any) (bool, error) {
	out, _, err := r.program.Eval(vars)
	if err != nil {
		return false, err
	}
	met, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("no boolean")
	}
	return met, nil
}

// ruleEnv declares what a rule may speak about. Nothing in it reads a clock or anything else outside the facts.
func ruleEnv() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("population", cel.StringType),
		cel.Variable("aal", cel.IntType), // the effective one
		cel.Variable("ial", cel.IntType),
		cel.Variable("reason", cel.StringType),
		cel.Variable("signals", cel.MapType(cel.StringType, cel.StringType)), // "present", "absent" or "unknown", every signal there
		cel.Variable("counts", cel.MapType(cel.StringType, cel.DoubleType)),  // earlier_recoveries, recent_failures; -1 for unknown
		cel.Variable("evidence", cel.ListType(cel.StringType)),               // methods proven so far
		cel.Variable("factors", cel.ListType(cel.StringType)),                // methods on file
		cel.Variable("youngest_factor_hours", cel.DoubleType),                // 0 for an account without factors
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxRuleLength),
		cel.ParserRecursionLimit(maxRuleDepth),
	)
}

// compileRule compiles an expression and tries it once on ordinary facts, so that a misspelt signal is found on loading.
func compileRule(env *cel.Env, r ruleDoc) (rule, error) {
	ast, issues := env.Compile(r.When)
	if err := issues.Err(); err != nil {
		return rule{}, fmt.Errorf("does not compile: %w", err)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return rule{}, fmt.Errorf("must yield true or false")
	}
	program, err := env.Program(ast, cel.CostLimit(maxRuleCost))
	if err != nil {
		return rule{}, fmt.Errorf("cannot be planned: %w", err)
	}
	out := rule{name: r.Name, raiseTo: r.RaiseTo, reason: r.Reason, program: program}
	facts := Facts{}
	if _, err := out.met(facts.variables(1, facts.readings())); err != nil {
		return rule{}, fmt.Errorf("fails on ordinary facts: %w", err)
	}
	return out, nil
}

// variables are the facts as rules see them.
func (f Facts) variables(aal int, readings map[Signal]Reading) map[string]any {
	signals := make(map[string]string, len(readings))
	counts := map[string]float64{}
	for s, r := range readings {
		signals[string(s)] = string(r.State)
		if s.counted() {
			counts[string(s)] = r.Value
			if r.State == Unknown {
				counts[string(s)] = -1
			}
		}
	}
	var youngest float64
	for i, x := range f.Factors {
		if age := ageOf(x.Since, f.Now).Hours(); i == 0 || age < youngest {
			youngest = age
		}
	}
	return map[string]any{
		"population": f.Population, "aal": int64(aal), "ial": int64(f.IAL), "reason": f.Reason,
		"signals": signals, "counts": counts, "youngest_factor_hours": youngest,
		"evidence": methodNames(f.Evidence, func(e factor.Evidence) factor.Method { return e.Method }),
		"factors":  methodNames(f.Factors, func(x Factor) factor.Method { return x.Method }),
	}
}

func methodNames[T any](items []T, method func(T) factor.Method) []string {
	out := make([]string, len(items))
	for i, x := range items {
		out[i] = string(method(x))
	}
	return out
}
