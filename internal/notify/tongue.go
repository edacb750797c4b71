package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
)

// tongue is what of a language does not fit into a template: how it writes days, spans and the names of methods. Times are
// UTC and say so, since nobody tells us where the owner is.
type tongue struct {
	days   [7]string  // from Sunday
	months [12]string // from January

	longForm  string       // for fmt: weekday, day, month, year, hh:mm
	shortForm string       // for time.Format; GSM-7 only, for text messages
	first     string       // how the first day of a month is written
	units     [3][2]string // minute, hour, day: one and many
	methods   map[factor.Method]string
	other     string // a method that has no name
}

// long writes an instant for a mail.
func (t tongue) long(at time.Time) string {
	at = at.UTC()
	day := strconv.Itoa(at.Day())
	if at.Day() == 1 {
		day = t.first
	}
	return fmt.Sprintf(t.longForm, t.days[at.Weekday()], day, t.months[at.Month()-1], at.Year(), at.Format("15:04"))
}

// short writes an instant for a text message.
func (t tongue) short(at time.Time) string { return at.UTC().Format(t.shortForm) }

// duration writes a span in its largest whole unit, rounded down, so that a code is never promised for longer than it lasts.
func (t tongue) duration(d time.Duration) string {
	n, unit := int(d/time.Minute), t.units[0]
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		n, unit = int(d/(24*time.Hour)), t.units[2]
	case d >= time.Hour && d%time.Hour == 0:
		n, unit = int(d/time.Hour), t.units[1]
	}
	if n <= 1 {
		return "1 " + unit[0]
	}
	return strconv.Itoa(n) + " " + unit[1]
}

func (t tongue) method(m factor.Method) string {
	if name, ok := t.methods[m]; ok {
		return name
	}
	return t.other
}

// tongues are the languages, by BCP 47 tag. English is complete by contract, and the last resort of every fallback.
func tongues() map[string]tongue {
	return map[string]tongue{"en": english(), "de": german(), "fr": french()}
}

const lastResort = "en"

func english() tongue {
	return tongue{
		days: [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
		months: [12]string{
			"January", "February", "March", "April", "May", "June",
			"July", "August", "September", "October", "November", "December",
		},
		longForm: "%s %s %s %d, %s UTC", shortForm: "2 Jan 15:04 UTC", first: "1",
		units: [3][2]string{{"minute", "minutes"}, {"hour", "hours"}, {"day", "days"}},
		methods: map[factor.Method]string{
			factor.Email:        "an email address",
			factor.SMS:          "a phone number for text messages",
			factor.Voice:        "a phone number for calls",
			factor.TOTP:         "an authenticator app",
			factor.RecoveryCode: "a recovery code",
			factor.Passkey:      "a passkey",
			factor.Federated:    "a sign-in through another provider",
			factor.Contact:      "a recovery contact",
			factor.Reproofing:   "an identity check",
		},
		other: "a way to prove who you are",
	}
}

func german() tongue {
	return tongue{
		days: [7]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"},
		months: [12]string{
			"Januar", "Februar", "März", "April", "Mai", "Juni",
			"Juli", "August", "September", "Oktober", "November", "Dezember",
		},
		longForm: "%s, %s. %s %d, %s Uhr UTC", shortForm: "02.01. 15:04 UTC", first: "1",
		units: [3][2]string{{"Minute", "Minuten"}, {"Stunde", "Stunden"}, {"Tag", "Tage"}},
		methods: map[factor.Method]string{
			factor.Email:        "eine E-Mail-Adresse",
			factor.SMS:          "eine Telefonnummer für SMS",
			factor.Voice:        "eine Telefonnummer für Anrufe",
			factor.TOTP:         "eine Authentifizierungs-App",
			factor.RecoveryCode: "ein Wiederherstellungscode",
			factor.Passkey:      "ein Passkey",
			factor.Federated:    "eine Anmeldung über einen anderen Anbieter",
			factor.Contact:      "eine Vertrauensperson",
			factor.Reproofing:   "eine Prüfung der Identität",
		},
		other: "ein Nachweis Ihrer Identität",
	}
}

func french() tongue {
	return tongue{
		days: [7]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"},
		months: [12]string{
			"janvier", "février", "mars", "avril", "mai", "juin",
			"juillet", "août", "septembre", "octobre", "novembre", "décembre",
		},
		longForm: "%s %s %s %d à %s UTC", shortForm: "02/01 15:04 UTC", first: "1er",
		units: [3][2]string{{"minute", "minutes"}, {"heure", "heures"}, {"jour", "jours"}},
		methods: map[factor.Method]string{
			factor.Email:        "une adresse e-mail",
			factor.SMS:          "un numéro de téléphone pour SMS",
			factor.Voice:        "un numéro de téléphone pour appels",
			factor.TOTP:         "une application d'authentification",
			factor.RecoveryCode: "un code de secours",
			factor.Passkey:      "une clé d'accès",
			factor.Federated:    "une connexion par un autre service",
			factor.Contact:      "une personne de confiance",
			factor.Reproofing:   "une vérification d'identité",
		},
		other: "une preuve de votre identité",
	}
}

// fallbacks lists the languages to try, best first: de-AT gives de-at, de, then the same for the tenant's language, then
// English (RFC 4647, section 3.4, "lookup"). Anything that is no language tag is skipped.
func fallbacks(locale, tenant string) []string {
	out := make([]string, 0, 5)
	for _, tag := range []string{locale, tenant} {
		tag = strings.ToLower(strings.ReplaceAll(tag, "_", "-"))
		if len(tag) > maxTag {
			continue
		}
		for tag != "" {
			out = append(out, tag)
			cut := strings.LastIndexByte(tag, '-')
			tag = tag[:max(cut, 0)]
		}
	}
	return append(out, lastResort)
}

const maxTag = 35 // RFC 5646, section 4.4.1: what a program must at least be able to hold
