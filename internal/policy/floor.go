package policy

import (
	"slices"
	"strconv"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// The floor: the least that a document must ask (requirements.md, sections 1 and 3). A document below it loads only if its
// deviations name the requirement, and then every plan made under it carries that deviation.
const (
	floorModerateHold = 12 * time.Hour
	floorHighHold     = 48 * time.Hour
	floorCriticalHold = 72 * time.Hour
	floorProbation    = 7 * day
	floorPhoneAge     = 30 * day // a number changed lately is not usable for codes
	floorFactorAge    = 7 * day  // a factor enrolled yesterday proves that somebody was in yesterday
	populationChiefs  = "privileged"
)

// The requirements of the floor, as deviations name them.
const (
	reqMethods    = "R-002" // a risk analysis for methods that NIST does not list, or that others carry out
	reqTwoClasses = "R-003" // two classes at AAL2
	reqHighest    = "R-004" // two classes at AAL3
	reqOneClass   = "R-005" // a recovery method, or proofing, at AAL1
	reqTenure     = "R-052"
	reqRestricted = "R-054" // an alternative beside the telephone
	reqSIMUnknown = "R-056"
	reqPhoneAge   = "R-057"
	reqHolds      = "R-089" // waiting grows with risk
	reqUnknown    = "R-091" // what is unknown raises
	reqProbation  = "R-118"
	reqApprovals  = "R-122"
	reqPrivileged = "R-133"
)

// deviable lists what a document may deviate from by name: the floor, and the two rules about notices.
func deviable() []string {
	return []string{
		reqMethods, reqTwoClasses, reqHighest, reqOneClass, reqTenure, reqRestricted, reqSIMUnknown, reqPhoneAge, reqHolds,
		reqUnknown, reqNotice, reqPostal, reqProbation, reqApprovals, reqPrivileged,
	}
}

// under notes that the document is below the floor. That is a problem, unless the document names the requirement.
func (c *checker) under(requirement, path, message string) {
	c.below[requirement] = true
	if c.doc.deviates(requirement) {
		return
	}
	c.problems = append(c.problems, Problem{Path: path, Line: lineOf(c.root, path), Requirement: requirement, Message: message})
}

// judgeFloor compares a valid document with the floor.
func (c *checker) judgeFloor() {
	c.floorTiers("tiers", c.doc.Tiers)
	c.floorSignals()
	c.floorEvidence("evidence", c.doc.Evidence)
	for _, name := range sortedKeys(c.doc.Populations) {
		pop, path := c.doc.Populations[name], "populations."+name
		c.floorTiers(path+".tiers", pop.Tiers)
		c.floorEvidence(path+".evidence", pop.Evidence)
		c.floorAges(path, pop)
		c.floorMethods(path, pop)
		if name == populationChiefs && pop.MinTier < High && !pop.DeferToIDP {
			c.under(reqPrivileged, path+".min_tier", "privileged accounts are at least of tier high")
		}
	}
}

func (c *checker) floorTiers(path string, all map[Tier]terms) {
	least := map[Tier]time.Duration{Low: 0, Moderate: floorModerateHold, High: floorHighHold, Critical: floorCriticalHold}
	for _, t := range Tiers() {
		x, ok := all[t]
		if !ok {
			continue
		}
		at := path + "." + t.String()
		if time.Duration(x.Hold) < least[t] {
			c.under(reqHolds, at+".hold", "the hold of tier "+t.String()+" is at least "+inDays(least[t]))
		}
		if time.Duration(x.Probation) < floorProbation {
			c.under(reqProbation, at+".probation", "probation is at least "+inDays(floorProbation))
		}
		if t == Critical && x.Approvals < minApprovals {
			c.under(reqApprovals, at+".approvals", "tier critical takes at least two approvals")
		}
	}
}

// floorSignals checks the weights against the thresholds: what is unknown about the device or the account's own history is at
// least moderate, and the signs of a takeover are at least high. That a network, a source or the removal of a channel is
// unknown may weigh nothing: an installation may have no way to know.
func (c *checker) floorSignals() {
	moderate, high := c.doc.Thresholds.Moderate, c.doc.Thresholds.High
	w := c.doc.Signals
	for _, s := range []Signal{KnownDevice, EarlierRecoveries, RecentFailures, PriorObjection} {
		if w[s].Unknown < moderate {
			c.under(reqUnknown, "signals."+string(s)+".unknown", "what is unknown raises: at least the threshold of moderate")
		}
	}
	if w[SIMSwap].Unknown < moderate {
		c.under(reqSIMUnknown, "signals.sim_swap.unknown", "unknown is not \"no swap\": at least the threshold of moderate")
	}
	if w[KnownDevice].Absent < moderate {
		c.under(reqHolds, "signals.known_device.absent", "a device that is not known is at least the threshold of moderate")
	}
	if w[KnownDevice].Absent+w[NetworkChange].Present < high {
		c.under(reqHolds, "signals.network_change.present", "another device on another network is at least the threshold of high")
	}
	for _, s := range []Signal{ChannelChangedRecently, ReasonTakeoverSuspected, PriorObjection} {
		if w[s].Present < high {
			c.under(reqHolds, "signals."+string(s)+".present", "at least the threshold of high")
		}
	}
	if w[SIMSwap].Present < c.doc.Thresholds.Critical {
		c.under(reqHolds, "signals.sim_swap.present", "at least the threshold of critical")
	}
}

func (c *checker) floorEvidence(path string, levels map[string][]alternative) {
	for _, level := range sortedKeys(levels) {
		for i, a := range levels[level] {
			at := path + "." + level + "." + strconv.Itoa(i)
			switch {
			case level == assuranceOne && !a.recovers():
				c.under(reqOneClass, at, "an alternative at AAL1 has one of S, I, K or P; a bound authenticator alone is no recovery")
			case level == assuranceTwo && !a.twoClasses():
				c.under(reqTwoClasses, at, "an alternative at AAL2 has two of S, I, K, or one of them and A, or P")
			case level == assuranceHigh && !a.twoClasses():
				c.under(reqHighest, at, "an alternative at AAL3 has two of S, I, K, or one of them and A, or P")
			}
		}
	}
}

func (c *checker) floorAges(path string, pop population) {
	ages := c.doc.ageing(pop)
	for _, m := range pop.Methods {
		switch {
		case (m == factor.SMS || m == factor.Voice) && ages[m] < floorPhoneAge:
			c.under(reqPhoneAge, path, "ageing of "+string(m)+" is at least "+inDays(floorPhoneAge))
		case isAuthenticator(m) && ages[m] < floorFactorAge:
			c.under(reqTenure, path, "ageing of "+string(m)+" is at least "+inDays(floorFactorAge))
		}
	}
}

func (c *checker) floorMethods(path string, pop population) {
	phone := func(m factor.Method) bool { return m == factor.SMS || m == factor.Voice }
	if !slices.ContainsFunc(pop.Methods, func(m factor.Method) bool { return !phone(m) }) {
		c.under(reqRestricted, path+".methods", "text messages and calls are restricted: another method must stand beside them")
	}
	for _, m := range pop.Methods {
		carried := m == factor.Contact || m == factor.Reproofing || m == factor.Federated
		if carried && c.doc.RiskAnalyses[m] == "" {
			c.under(reqMethods, path+".methods", string(m)+" needs a risk_analysis_refs entry")
		}
	}
}

// recovers tells whether the alternative has a recovery method of 63B-4 section 4.2.1.
func (a alternative) recovers() bool {
	return slices.ContainsFunc(a, func(n need) bool { return n.Class != factor.Authenticator })
}

// twoClasses tells whether the alternative is one of 63B-4 section 4.2.2.2. Its classes are distinct already.
func (a alternative) twoClasses() bool {
	proofing := slices.ContainsFunc(a, func(n need) bool { return n.Class == factor.Proofing })
	return proofing || (len(a) >= 2 && a.recovers())
}

func isAuthenticator(m factor.Method) bool {
	class, _ := m.Class()
	return class == factor.Authenticator
}
