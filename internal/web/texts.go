package web

// objectionTexts is everything that the objection page says, in one language. None of it tells anything about whoever made
// the claim.
type objectionTexts struct {
	Lang, Title, Lead, Explain, Button, Mine string

	NoLink, NoScript, Working            string
	Paused, PausedUntil, Recorded        string
	Vetoed, Reversed, Refused, TooMany   string
	Trouble, Wrong                       string
	MoreTitle, MoreLead, Method          string
	TOTP, Saved, CodeLabel, StrongButton string
}

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

func english() objectionTexts {
	return objectionTexts{
		Lang: "en", Title: "Was this you?",
		Lead:    "Somebody has asked to get back into your account.",
		Explain: "If it was not you, stop it here. Nothing happens until you press the button.",
		Button:  "This was not me – stop it", Mine: "If it was you, simply close this page.",
		NoLink:      "This page needs the link from our message. Please open that link again.",
		NoScript:    "This page needs JavaScript, so that mail programs cannot press the button for you.",
		Working:     "One moment…",
		Paused:      "Done. The recovery is paused and nobody gets in.",
		PausedUntil: "It is paused until {time}. To stop it for good, show below that the account is yours, or write to the service's support.",
		Recorded:    "Done. Your objection is noted.",
		Vetoed:      "Done. The recovery is over. Nobody gets in by it.",
		Reversed:    "Done. The account is being given back to you.",
		Refused:     "This link is not, or no longer, valid. If you have a newer message from us, use its link.",
		TooMany:     "Too many attempts. Please wait a few minutes and try again.",
		Trouble:     "That did not work, and nothing was changed. Please try again in a moment.",
		Wrong:       "That code was not accepted. Please check it and try again.",
		MoreTitle:   "Stop it for good", MoreLead: "With a code that only you have, the recovery can be ended and not only paused.",
		Method: "What do you have?", TOTP: "A code from my authenticator app", Saved: "One of my saved recovery codes",
		CodeLabel: "Code", StrongButton: "Stop it for good",
	}
}

func german() objectionTexts {
	return objectionTexts{
		Lang: "de", Title: "Waren Sie das?",
		Lead:    "Jemand möchte wieder Zugang zu Ihrem Konto erhalten.",
		Explain: "Wenn Sie das nicht waren, stoppen Sie es hier. Es geschieht nichts, bevor Sie auf den Knopf drücken.",
		Button:  "Das war ich nicht – stoppen", Mine: "Wenn Sie es waren, schließen Sie diese Seite einfach.",
		NoLink:      "Diese Seite braucht den Link aus unserer Nachricht. Bitte öffnen Sie ihn noch einmal.",
		NoScript:    "Diese Seite braucht JavaScript, damit kein Mailprogramm den Knopf für Sie drückt.",
		Working:     "Einen Moment …",
		Paused:      "Erledigt. Die Wiederherstellung ist angehalten, niemand kommt hinein.",
		PausedUntil: "Sie ist bis {time} angehalten. Um sie ganz zu beenden, zeigen Sie unten, dass das Konto Ihnen gehört, oder schreiben Sie dem Support des Dienstes.",
		Recorded:    "Erledigt. Ihr Einspruch ist vermerkt.",
		Vetoed:      "Erledigt. Die Wiederherstellung ist beendet. Niemand kommt durch sie hinein.",
		Reversed:    "Erledigt. Das Konto wird Ihnen zurückgegeben.",
		Refused:     "Dieser Link ist nicht oder nicht mehr gültig. Wenn Sie eine neuere Nachricht von uns haben, benutzen Sie deren Link.",
		TooMany:     "Zu viele Versuche. Bitte warten Sie ein paar Minuten.",
		Trouble:     "Das hat nicht geklappt, und nichts wurde geändert. Bitte versuchen Sie es gleich noch einmal.",
		Wrong:       "Dieser Code wurde nicht angenommen. Bitte prüfen Sie ihn und versuchen Sie es noch einmal.",
		MoreTitle:   "Ganz beenden", MoreLead: "Mit einem Code, den nur Sie haben, lässt sich die Wiederherstellung beenden und nicht nur anhalten.",
		Method: "Was haben Sie zur Hand?", TOTP: "Einen Code aus meiner Authenticator-App", Saved: "Einen meiner aufbewahrten Wiederherstellungscodes",
		CodeLabel: "Code", StrongButton: "Ganz beenden",
	}
}

func french() objectionTexts {
	return objectionTexts{
		Lang: "fr", Title: "Était-ce vous ?",
		Lead:    "Quelqu’un demande à retrouver l’accès à votre compte.",
		Explain: "Si ce n’était pas vous, arrêtez-le ici. Rien ne se passe avant que vous appuyiez sur le bouton.",
		Button:  "Ce n’était pas moi – arrêter", Mine: "Si c’était vous, fermez simplement cette page.",
		NoLink:      "Cette page a besoin du lien de notre message. Veuillez l’ouvrir à nouveau.",
		NoScript:    "Cette page a besoin de JavaScript, afin qu’aucune messagerie n’appuie sur le bouton à votre place.",
		Working:     "Un instant…",
		Paused:      "C’est fait. La récupération est suspendue et personne n’entre.",
		PausedUntil: "Elle est suspendue jusqu’au {time}. Pour l’arrêter définitivement, montrez ci-dessous que le compte est à vous, ou écrivez à l’assistance du service.",
		Recorded:    "C’est fait. Votre opposition est notée.",
		Vetoed:      "C’est fait. La récupération est terminée. Personne n’entre par elle.",
		Reversed:    "C’est fait. Le compte vous est rendu.",
		Refused:     "Ce lien n’est pas, ou plus, valable. Si vous avez un message plus récent de notre part, utilisez son lien.",
		TooMany:     "Trop d’essais. Veuillez patienter quelques minutes.",
		Trouble:     "Cela n’a pas fonctionné et rien n’a été modifié. Veuillez réessayer dans un instant.",
		Wrong:       "Ce code n’a pas été accepté. Veuillez le vérifier et réessayer.",
		MoreTitle:   "Arrêter définitivement", MoreLead: "Avec un code que vous seul avez, la récupération peut être terminée et non seulement suspendue.",
		Method: "De quoi disposez-vous ?", TOTP: "D’un code de mon application d’authentification", Saved: "D’un de mes codes de récupération conservés",
		CodeLabel: "Code", StrongButton: "Arrêter définitivement",
	}
}
