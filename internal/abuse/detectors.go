package abuse

import "time"

const (
	tenMinutes = 10 * time.Minute
	hour       = time.Hour
	day        = 24 * time.Hour
)

// Detectors lists what this version looks for. The numbers are requirements.md, section 3, where it has them, and judgement
// elsewhere. A new one needs its runbook and its two tests (CONTRIBUTING.md).
func Detectors() []Detector {
	return append(guessing(), append(sending(), append(meddling(), append(credentials(), people()...)...)...)...)
}

// guessing is about codes and names that somebody tries.
func guessing() []Detector {
	return []Detector{
		{
			Name: "CodeSpray", Severity: Critical, Window: tenMinutes, Quiet: tenMinutes,
			Means:  "Codes are being guessed over many accounts of one tenant (R-084).",
			Honest: "Many people mistype a code now and then: few failures each, and no more of them than the week before.",
			Query:  Query{Count: []Measure{Failed}, Per: PerTenant, Total: 51, Subjects: 26, Times: 3},
		},
		{
			Name: "FleetCodeSpray", Severity: Critical, Window: tenMinutes, Quiet: tenMinutes,
			Means:  "Codes are being guessed over many accounts of several tenants at once (R-084).",
			Honest: "Each tenant's people mistype codes independently of one another; the sum follows the week before.",
			Query:  Query{Count: []Measure{Failed}, Per: PerFleet, Total: 51, Subjects: 26, Tenants: 2, Times: 3},
		},
		{
			Name: "SourceCodeSpray", Severity: Warning, Window: tenMinutes, Quiet: tenMinutes, EscalateAfter: hour,
			Means:  "One network fails at codes of many accounts.",
			Honest: "An office or a carrier's shared address: several people, a failure or two each.",
			Query:  Query{Count: []Measure{Failed}, Per: PerSource, Total: 30, Subjects: 15},
		},
		{
			Name: "ManySources", Severity: Warning, Window: hour, Quiet: hour, EscalateAfter: 2 * hour,
			Means:  "One account is being claimed from many networks at once: distributed guessing.",
			Honest: "A person on the move: home, telephone, train, in one hour three networks.",
			Query:  Query{Count: []Measure{Failed, Started}, Per: PerSubject, Total: 12, Sources: 10},
		},
		{
			Name: "CodeGuessing", Severity: Warning, Window: 6 * hour, Quiet: hour, EscalateAfter: 2 * hour,
			Means:  "Codes of one account are being guessed, on and on.",
			Honest: "A person who mistypes: three or four failures, then the right code or a break.",
			Query:  Query{Count: []Measure{Failed}, Per: PerSubject, Total: 10},
		},
		{
			Name: "DecoySurge", Severity: Warning, Window: tenMinutes, Quiet: tenMinutes, EscalateAfter: hour,
			Means:  "Most recoveries of one tenant are for identifiers that do not exist: somebody probes who has an account.",
			Honest: "People who mistype their address, or forgot which one they used: a minority of the starts.",
			Query:  Query{Count: []Measure{Decoyed}, Per: PerTenant, Total: 50, Subjects: 40, Times: 3, Against: []Measure{Started}, AtMost: 1},
		},
		{
			Name: "SourceDecoySurge", Severity: Warning, Window: hour, Quiet: hour, EscalateAfter: 2 * hour,
			Means:  "One network, or rotating addresses within it, starts recoveries of many identifiers that do not exist.",
			Honest: "A shared address: several people, each with one or two names, most of which exist.",
			Query:  Query{Count: []Measure{Decoyed}, Per: PerSource, Total: 15, Subjects: 12, Against: []Measure{Started}, AtMost: 1},
		},
		{
			Name: "FleetDecoySurge", Severity: Warning, Window: tenMinutes, Quiet: tenMinutes, EscalateAfter: hour,
			Means:  "Identifiers that do not exist are being tried at several tenants at once.",
			Honest: "Each tenant has its few mistyped addresses; most starts are for accounts.",
			Query:  Query{Count: []Measure{Decoyed}, Per: PerFleet, Total: 50, Subjects: 40, Tenants: 2, Times: 3, Against: []Measure{Started}, AtMost: 1},
		},
	}
}

// sending is about messages that somebody provokes, or that do not arrive.
func sending() []Detector {
	return []Detector{
		{
			Name: "SMSPumping", Severity: Critical, Window: hour, Limit: 10, Probe: ProbePumping, Quiet: hour,
			Means:  "Text messages go to many numbers of one prefix, and hardly any code comes back (T11).",
			Honest: "People of one town or one operator: their codes come back.",
		},
		{
			Name: "ConversionCollapse", Severity: Critical, Window: hour, Limit: 1, Probe: ProbePaused, Quiet: tenMinutes,
			Means:  "So few codes came back from a country or a prefix that its text messages are paused (R-061).",
			Honest: "A country whose people get their codes and type them in: nothing is paused.",
		},
		{
			Name: "TextBudgetLow", Severity: Warning, Window: day, Limit: 70, Probe: ProbeBudgets, Quiet: tenMinutes,
			Means:  "Of a day's budget of text messages (a country's, a tenant's or the installation's) seven tenths are used (R-060).",
			Honest: "Days like those before: a country's budget is three times what is verified on a busy day.",
		},
		{
			Name: "TextBudgetSpent", Severity: Critical, Window: day, Limit: 80, Probe: ProbeSpent, Quiet: tenMinutes,
			Means:  "A tenant's or the installation's text messages of the day are used up: only numbers that verified a code before are still served (R-060, T12).",
			Honest: "A budget well above what a busy day needs.",
		},
		{
			Name: "NoticesUndeliverable", Severity: Warning, Window: hour, Quiet: hour, EscalateAfter: 2 * hour,
			Means:  "Notices to owners are refused for good: owners do not hear of recoveries (R-102).",
			Honest: "A few mailboxes that no longer exist, among many that accept.",
			Query:  Query{Count: []Measure{Undelivered}, Per: PerTenant, Total: 10, Against: []Measure{Delivered}, AtMost: 4},
		},
	}
}

// meddling is about recoveries that their owners, or their grants, say are wrong.
func meddling() []Detector {
	return []Detector{
		{
			Name: "ObjectionSurge", Severity: Critical, Window: hour, Quiet: hour,
			Means:  "Many owners object to recoveries: a takeover campaign, or notices that mislead.",
			Honest: "Single owners who object, or press the button by mistake.",
			Query:  Query{Count: []Measure{Objected}, Per: PerTenant, Total: 8, Subjects: 5, Times: 3},
		},
		{
			Name: "GrantReplayed", Severity: Critical, Window: hour, Quiet: hour,
			Means:  "A grant was presented again after it was redeemed: it was stolen, or the identity system repeats itself (R-114).",
			Honest: "A retry with the same Idempotency-Key: it gets the first answer and is no replay.",
			Query:  Query{Count: []Measure{Replayed}, Per: PerTenant, Total: 1},
		},
		{
			Name: "ClaimReplayed", Severity: Warning, Window: hour, Quiet: hour, EscalateAfter: day,
			Means:  "A claim link was brought for a recovery whose seat was taken: two people hold links to it, or one was passed on (R-037).",
			Honest: "A retry with the same Idempotency-Key: it gets the first answer and is no replay.",
			Query:  Query{Count: []Measure{Retaken}, Per: PerSubject, Total: 1},
		},
	}
}

// credentials is about what clients sign in with.
func credentials() []Detector {
	return []Detector{
		{
			Name: "CredentialDormant", Severity: Warning, Window: 90 * day, Limit: 1, Probe: ProbeDormant, Quiet: hour,
			Means:  "A credential that is still good has not been used for 90 days.",
			Honest: "A credential that its workload uses, however seldom within 90 days.",
		},
		{
			Name: "CredentialShared", Severity: Warning, Window: tenMinutes, Limit: 3, Probe: ProbeShared, Quiet: hour, EscalateAfter: day,
			Means:  "One credential is used from several networks in the same minutes: by two workloads, or by somebody else (R-134).",
			Honest: "A workload behind one network, or one that moves to another network once.",
		},
		{
			Name: "MachineMisused", Severity: Critical, Window: hour, Limit: 1, Probe: ProbeMisused, Quiet: hour,
			Means:  "A machine's credential came from a browser: a person uses it, or it has leaked. It was refused (R-137, T8).",
			Honest: "Machines, which send nothing that only browsers send; publishable credentials, which are at home in pages.",
		},
		{
			Name: "CredentialExpiring", Severity: Warning, Window: 7 * day, Limit: 1, Probe: ProbeExpiring, Quiet: hour,
			Means:  "A credential in use ends within seven days, and its client has no later one.",
			Honest: "A client whose next credential is issued already.",
		},
	}
}

// people is about those who work on cases and decide about them.
func people() []Detector {
	return []Detector{
		{
			Name: "AgentOutlier", Severity: Warning, Window: hour, Limit: 15, Probe: ProbeLooking, Quiet: hour, EscalateAfter: 2 * hour,
			Means:  "An agent looks for references, accounts or cases that are not there or not theirs, again and again (T6).",
			Honest: "A reference that was misheard: a try or two for each call.",
		},
		{
			Name: "RubberStamping", Severity: Warning, Window: day, Limit: 3, Probe: ProbeHasty, Quiet: hour, EscalateAfter: day,
			Means:  "Somebody approves within twenty seconds of reading: nobody looks an artefact up so fast (R-144).",
			Honest: "An approver who looks artefacts up: minutes for each.",
		},
		{
			Name: "ApprovalPairs", Severity: Warning, Window: 7 * day, Limit: 8, Probe: ProbePairs, Quiet: hour, EscalateAfter: day,
			Means:  "One person approves mostly what one other proposes, though the service draws who decides (R-130, T7).",
			Honest: "With three agents at work and more, an approver meets all of them.",
		},
	}
}
