package web

func english() objectionTexts {
	return objectionTexts{
		Lang: "en", Title: "Was this you?", Service: "the service",
		Ask: askTexts{
			Lead:    "Somebody is getting back into your account, or has just done so.",
			Explain: "If it was not you, say so here. You need not sign in. Nothing happens before you press the button.",
			Button:  "This was not me: stop it",
			Mine:    "If it was you, there is nothing to do. Close this page.",
		},
		Views: []viewTexts{
			{"paused", toneStopped, "It is stopped for now", []string{
				"Nobody gets in by this recovery for at least a day.",
				"It stands still until {until}, or until whoever began it shows more. Then it goes on, and waits at least one more day. To end it for good, show below that the account is yours.",
			}},
			{"already", toneStopped, "It is stopped already", []string{
				"You said so before, or somebody with the same message did. It stands still until {until}, or until whoever began it shows more. Even then it waits at least one more day.",
				"To end it for good, show below that the account is yours.",
			}},
			{"counts", toneStopped, "Your code was right", []string{
				"It counts for you. The recovery stands still until {until}, or until whoever began it shows more. Even then it waits at least one more day.",
				"It is not enough to end the recovery. Show one more proof, of the other kind, or get in touch with support.",
			}},
			{"people", tonePeople, "People decide now", []string{
				"Both sides have shown good proofs, so two people at {name} look at it. Nobody gets in before they have decided.",
				"Get in touch with support now, so that they hear your side.",
			}},
			{"noted", tonePeople, "We have noted it", []string{
				"Two people at {name} look at this recovery before anybody gets in, and they see that you said no.",
				"With a code that only you have, you may be able to end it at once.",
			}},
			{"taken", toneBad, "We have noted that it was not you", []string{
				"Somebody has already got into your account by this recovery. You can take the account back: show below that it is yours.",
			}},
			{"takenCounts", toneBad, "Your code was right", []string{
				"It counts for you, and it is not enough to take the account back. Show one more proof, of the other kind, or get in touch with support.",
			}},
			{"vetoed", toneGood, "Stopped for good", []string{"This recovery is over. Nobody gets in by it any more."}},
			{"reversed", toneGood, "The recovery is undone", []string{
				"The account is being given back to you, and {name} is told to sign out whoever got in by the recovery.",
			}},
			{"spent", toneBad, "This link cannot stop anything by itself any more", []string{
				"The recovery is over, or this link has already paused it once. If you have a newer message from us, use the link in that one.",
				"If you have a code that only you have, you can still try with it here.",
			}},
			{"over", toneBad, "This link does not work any more", []string{
				"The recovery that it belonged to is over. If you have a newer message from us, use the link in that one.",
			}},
		},
		Proof: proofTexts{
			Stop:    formTexts{"Stop it for good", "A code that only you have shows that the account is yours.", "Stop it for good"},
			Reclaim: formTexts{"Take the account back", "A code from before the recovery shows that the account is yours.", "Take the account back"},
			Choose:  "What do you have?",
			Methods: codeMethods(
				methodTexts{Label: "Authenticator app", Hint: "the six digits that it shows now", Field: "Code from the app"},
				methodTexts{Label: "Saved recovery code", Hint: "one of those that you wrote down or printed", Field: "Saved recovery code"},
			),
			Wrong:   "That code was not accepted. Check it, and try again.",
			Resting: "There were too many wrong codes of this kind. It can be used again from {until}. You can use the other kind now.",
			Stays:   "What you stopped stays stopped.",
			Working: "One moment…",
			TooMany: "Too many attempts from here. Wait a few minutes, and try again.",
			Offline: "There is no connection. Check it, and press again. Pressing twice does no harm.",
			Trouble: "We got no clear answer. Press again in a moment. Pressing twice does no harm.",
		},
		Care: listTexts{"Look after these now", []string{
			"Change the password of your mailbox, and sign out its other devices.",
			"Ask your phone company whether your number was moved.",
			"Tell nobody a code. We never ask for one by phone or in a message.",
		}},
		Help: helpTexts{"If you need help", "Support of {name}:", "Get in touch with support, as our message says."},
		Script: noticeTexts{
			"This page needs its link", "Open the link in our message once more. If it asks, choose the browser that you always use.",
			"This page needs JavaScript", "Without it mail programs could press the button for you. Turn JavaScript on for this page, and open the link in our message again.",
			"Or get in touch with support, as our message says. Say that it was not you.",
		},
	}
}
