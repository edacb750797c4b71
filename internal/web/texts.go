package web

// objectionTexts is everything that the objection page says, in one language. None of it tells anything about whoever made
// the claim. {until} is a time, {name} the service that sent the notice; the script fills both in.
type objectionTexts struct {
	Lang, Title string
	Service     string // stands for {name} where it is not known

	Ask    askTexts
	Views  []viewTexts // what the page can show after the button, by the name that the script knows
	Proof  proofTexts
	Care   listTexts
	Help   helpTexts
	Script noticeTexts // what the page says where it cannot do more
}

type askTexts struct{ Lead, Explain, Button, Mine string }

type viewTexts struct {
	Name, Tone, Title string
	Text              []string
}

type proofTexts struct {
	Stop, Reclaim                  formTexts // to end a recovery; to take the account back after one
	Choose                         string
	Methods                        []methodTexts
	Wrong, Resting, Stays, Working string
	TooMany, Offline, Trouble      string
}

type formTexts struct{ Title, Lead, Button string }

// methodTexts is one kind of proof on the form. Kind names how the script collects it: a typed code; a further kind, such as
// a passkey, is a further one.
type methodTexts struct {
	Value, Kind, Label, Hint, Field string
	InputMode, Autocomplete         string
}

type listTexts struct {
	Title string
	Items []string
}

type helpTexts struct{ Title, Contact, NoContact string }

type noticeTexts struct{ NoLinkTitle, NoLink, OffTitle, Off, OffHelp string }

func textsOf(tongue string) objectionTexts {
	switch tongue {
	case "de":
		return german()
	case "fr":
		return french()
	default:
		return english()
	}
}

// codeMethods are the kinds of code that the API takes beside an objection.
func codeMethods(totp, saved methodTexts) []methodTexts {
	totp.Value, totp.Kind, totp.InputMode, totp.Autocomplete = "totp", "code", "numeric", "one-time-code"
	saved.Value, saved.Kind, saved.InputMode, saved.Autocomplete = "recovery_code", "code", "text", "off"
	return []methodTexts{totp, saved}
}

// The tones of what the page shows.
const (
	toneStopped = "stopped"
	toneGood    = "good"
	tonePeople  = "people"
	toneBad     = "bad"
)
