package web

func german() objectionTexts {
	return objectionTexts{
		Lang: "de", Title: "Waren Sie das?", Service: "dem Dienst",
		Ask: askTexts{
			Lead:    "Jemand verschafft sich gerade wieder Zugang zu Ihrem Konto oder hat es eben getan.",
			Explain: "Wenn Sie das nicht sind, sagen Sie es hier. Sie müssen sich nicht anmelden. Es geschieht nichts, bevor Sie auf den Knopf drücken.",
			Button:  "Das war ich nicht: stoppen",
			Mine:    "Wenn Sie es waren, ist nichts zu tun. Schließen Sie diese Seite.",
		},
		Views: []viewTexts{
			{"paused", toneStopped, "Fürs Erste gestoppt", []string{
				"Durch diese Wiederherstellung kommt mindestens einen Tag lang niemand hinein.",
				"Sie steht still bis {until}, oder bis mehr vorlegt, wer sie begonnen hat. Dann geht sie weiter und wartet noch mindestens einen Tag. Um sie ganz zu beenden, zeigen Sie unten, dass das Konto Ihnen gehört.",
			}},
			{"already", toneStopped, "Schon gestoppt", []string{
				"Sie haben es schon gesagt, oder jemand mit derselben Nachricht. Sie steht still bis {until}, oder bis mehr vorlegt, wer sie begonnen hat. Auch dann wartet sie noch mindestens einen Tag.",
				"Um sie ganz zu beenden, zeigen Sie unten, dass das Konto Ihnen gehört.",
			}},
			{"counts", toneStopped, "Ihr Code war richtig", []string{
				"Er zählt für Sie. Die Wiederherstellung steht still bis {until}, oder bis mehr vorlegt, wer sie begonnen hat. Auch dann wartet sie noch mindestens einen Tag.",
				"Er reicht nicht, um die Wiederherstellung zu beenden. Zeigen Sie noch einen Nachweis der anderen Art, oder wenden Sie sich an den Support.",
			}},
			{"people", tonePeople, "Jetzt entscheiden Menschen", []string{
				"Beide Seiten haben gute Nachweise gezeigt. Deshalb sehen zwei Menschen bei {name} es sich an. Vor ihrer Entscheidung kommt niemand hinein.",
				"Wenden Sie sich jetzt an den Support, damit er Ihre Seite hört.",
			}},
			{"noted", tonePeople, "Wir haben es vermerkt", []string{
				"Zwei Menschen bei {name} sehen sich diese Wiederherstellung an, bevor jemand hineinkommt, und sie sehen Ihren Einspruch.",
				"Mit einem Code, den nur Sie haben, können Sie sie vielleicht sofort beenden.",
			}},
			{"taken", toneBad, "Wir haben vermerkt, dass Sie es nicht waren", []string{
				"Durch diese Wiederherstellung ist schon jemand in Ihr Konto gekommen. Sie können es zurückholen: Zeigen Sie unten, dass es Ihnen gehört.",
			}},
			{"takenCounts", toneBad, "Ihr Code war richtig", []string{
				"Er zählt für Sie und reicht nicht, um das Konto zurückzuholen. Zeigen Sie noch einen Nachweis der anderen Art, oder wenden Sie sich an den Support.",
			}},
			{"vetoed", toneGood, "Endgültig gestoppt", []string{"Diese Wiederherstellung ist beendet. Durch sie kommt niemand mehr hinein."}},
			{"reversed", toneGood, "Die Wiederherstellung ist rückgängig", []string{
				"Das Konto wird Ihnen zurückgegeben. Wer durch die Wiederherstellung hineinkam, wird auf unsere Meldung hin bei {name} abgemeldet.",
			}},
			{"spent", toneBad, "Dieser Link allein kann nichts mehr stoppen", []string{
				"Die Wiederherstellung ist vorbei, oder dieser Link hat sie schon einmal angehalten. Wenn Sie eine neuere Nachricht von uns haben, benutzen Sie deren Link.",
				"Wenn Sie einen Code haben, den nur Sie haben, können Sie es damit hier noch versuchen.",
			}},
			{"over", toneBad, "Dieser Link gilt nicht mehr", []string{
				"Die Wiederherstellung, zu der er gehörte, ist vorbei. Wenn Sie eine neuere Nachricht von uns haben, benutzen Sie deren Link.",
			}},
		},
		Proof: proofTexts{
			Stop:    formTexts{"Ganz beenden", "Ein Code, den nur Sie haben, zeigt, dass das Konto Ihnen gehört.", "Ganz beenden"},
			Reclaim: formTexts{"Das Konto zurückholen", "Ein Code aus der Zeit davor zeigt, dass das Konto Ihnen gehört.", "Konto zurückholen"},
			Choose:  "Was haben Sie zur Hand?",
			Methods: codeMethods(
				methodTexts{Label: "Authenticator-App", Hint: "die sechs Ziffern, die sie jetzt zeigt", Field: "Code aus der App"},
				methodTexts{Label: "Gespeicherter Code", Hint: "einer von denen, die Sie notiert oder gedruckt haben", Field: "Gespeicherter Code"},
			),
			Wrong:   "Dieser Code wurde nicht angenommen. Prüfen Sie ihn, und versuchen Sie es noch einmal.",
			Resting: "Es gab zu viele falsche Codes dieser Art. Ab {until} geht es damit wieder. Die andere Art können Sie jetzt benutzen.",
			Stays:   "Was Sie gestoppt haben, bleibt gestoppt.",
			Working: "Einen Moment …",
			TooMany: "Zu viele Versuche von hier. Warten Sie ein paar Minuten, und versuchen Sie es noch einmal.",
			Offline: "Es gibt keine Verbindung. Prüfen Sie sie, und drücken Sie noch einmal. Zweimal drücken schadet nicht.",
			Trouble: "Wir haben keine klare Antwort bekommen. Drücken Sie gleich noch einmal. Zweimal drücken schadet nicht.",
		},
		Care: listTexts{"Sichern Sie jetzt", []string{
			"Ändern Sie das Passwort Ihres Postfachs, und melden Sie dort alle anderen Geräte ab.",
			"Fragen Sie Ihren Mobilfunkanbieter, ob Ihre Nummer übertragen wurde.",
			"Nennen Sie niemandem einen Code. Wir fragen nie danach, weder am Telefon noch in einer Nachricht.",
		}},
		Help: helpTexts{"Wenn Sie Hilfe brauchen", "Support von {name}:", "Wenden Sie sich an den Support, wie es in unserer Nachricht steht."},
		Script: noticeTexts{
			"Diese Seite braucht ihren Link", "Öffnen Sie den Link in unserer Nachricht noch einmal, am besten in dem Browser, den Sie immer benutzen.",
			"Diese Seite braucht JavaScript", "Ohne JavaScript könnten Mailprogramme den Knopf für Sie drücken. Schalten Sie es für diese Seite ein, und öffnen Sie den Link in unserer Nachricht noch einmal.",
			"Oder wenden Sie sich an den Support, wie es in unserer Nachricht steht. Sagen Sie, dass Sie es nicht waren.",
		},
	}
}
