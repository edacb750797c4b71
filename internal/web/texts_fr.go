package web

func french() objectionTexts {
	return objectionTexts{
		Lang: "fr", Title: "Était-ce vous ?", Service: "ce service",
		Ask: askTexts{
			Lead:    "Quelqu’un est en train de retrouver l’accès à votre compte, ou vient de le faire.",
			Explain: "Si ce n’est pas vous, dites-le ici. Il n’est pas nécessaire de vous connecter. Rien ne se passe avant que vous appuyiez sur le bouton.",
			Button:  "Ce n’était pas moi : arrêter",
			Mine:    "Si c’était vous, il n’y a rien à faire. Fermez cette page.",
		},
		Views: []viewTexts{
			{"paused", toneStopped, "C’est arrêté pour le moment", []string{
				"Personne n’entre par cette récupération pendant au moins un jour.",
				"Elle est arrêtée jusqu’à cette date : {until}, ou jusqu’à ce que la personne qui l’a commencée montre plus. Elle reprend alors et attend encore au moins un jour. Pour y mettre fin, montrez ci-dessous que le compte est à vous.",
			}},
			{"already", toneStopped, "C’est déjà arrêté", []string{
				"Vous l’avez déjà dit, ou quelqu’un qui a reçu le même message. Elle est arrêtée jusqu’à cette date : {until}, ou jusqu’à ce que la personne qui l’a commencée montre plus. Même alors, elle attend encore au moins un jour.",
				"Pour y mettre fin, montrez ci-dessous que le compte est à vous.",
			}},
			{"counts", toneStopped, "Votre code était bon", []string{
				"Il compte pour vous. La récupération est arrêtée jusqu’à cette date : {until}, ou jusqu’à ce que la personne qui l’a commencée montre plus. Même alors, elle attend encore au moins un jour.",
				"Il ne suffit pas pour y mettre fin. Montrez une preuve de l’autre sorte, ou contactez l’assistance.",
			}},
			{"people", tonePeople, "Des personnes décident maintenant", []string{
				"Les deux côtés ont montré de bonnes preuves. Chez {name}, deux personnes examinent donc le cas. Personne n’entre avant leur décision.",
				"Contactez l’assistance maintenant, pour qu’elle entende votre version.",
			}},
			{"noted", tonePeople, "C’est noté", []string{
				"Chez {name}, deux personnes examinent cette récupération avant que quelqu’un n’entre, et elles voient votre refus.",
				"Avec un code que vous seul avez, vous pouvez peut-être y mettre fin tout de suite.",
			}},
			{"taken", toneBad, "C’est noté : ce n’était pas vous", []string{
				"Quelqu’un est déjà entré dans votre compte par cette récupération. Vous pouvez le reprendre : montrez ci-dessous qu’il est à vous.",
			}},
			{"takenCounts", toneBad, "Votre code était bon", []string{
				"Il compte pour vous, mais ne suffit pas pour reprendre le compte. Montrez une preuve de l’autre sorte, ou contactez l’assistance.",
			}},
			{"vetoed", toneGood, "Arrêté définitivement", []string{"Cette récupération est terminée. Plus personne n’entre par elle."}},
			{"reversed", toneGood, "La récupération est annulée", []string{
				"Le compte vous est rendu. Nous demandons à {name} de déconnecter quiconque est entré par la récupération.",
			}},
			{"spent", toneBad, "Ce lien seul ne peut plus rien arrêter", []string{
				"La récupération est terminée, ou ce lien l’a déjà suspendue une fois. Si vous avez un message plus récent de notre part, utilisez son lien.",
				"Si vous avez un code que vous seul avez, vous pouvez encore essayer ici.",
			}},
			{"over", toneBad, "Ce lien n’est plus valable", []string{
				"La récupération dont il faisait partie est terminée. Si vous avez un message plus récent de notre part, utilisez son lien.",
			}},
		},
		Proof: proofTexts{
			Stop:    formTexts{"Y mettre fin", "Un code que vous seul avez montre que le compte est à vous.", "Y mettre fin"},
			Reclaim: formTexts{"Reprendre le compte", "Un code d’avant la récupération montre que le compte est à vous.", "Reprendre le compte"},
			Choose:  "De quoi disposez-vous ?",
			Methods: codeMethods(
				methodTexts{Label: "Application d’authentification", Hint: "les six chiffres qu’elle affiche maintenant", Field: "Code de l’application"},
				methodTexts{Label: "Code de secours", Hint: "l’un de ceux que vous avez notés ou imprimés", Field: "Code de secours"},
			),
			Wrong:   "Ce code n’a pas été accepté. Vérifiez-le et réessayez.",
			Resting: "Il y a eu trop de codes faux de cette sorte. Elle sera de nouveau possible : {until}. Vous pouvez utiliser l’autre sorte maintenant.",
			Stays:   "Ce que vous avez arrêté reste arrêté.",
			Working: "Un instant…",
			TooMany: "Trop d’essais depuis ici. Patientez quelques minutes, puis réessayez.",
			Offline: "Il n’y a pas de connexion. Vérifiez-la et appuyez encore. Appuyer deux fois ne fait pas de mal.",
			Trouble: "Nous n’avons pas reçu de réponse claire. Appuyez encore dans un instant. Appuyer deux fois ne fait pas de mal.",
		},
		Care: listTexts{"À protéger maintenant", []string{
			"Changez le mot de passe de votre messagerie, et déconnectez-y les autres appareils.",
			"Demandez à votre opérateur si votre numéro a été transféré.",
			"Ne donnez un code à personne. Nous n’en demandons jamais, ni par téléphone ni par message.",
		}},
		Help: helpTexts{"Si vous avez besoin d’aide", "Assistance de {name} :", "Contactez l’assistance, comme l’indique notre message."},
		Script: noticeTexts{
			"Cette page a besoin de son lien", "Ouvrez encore une fois le lien de notre message, de préférence dans votre navigateur habituel.",
			"Cette page a besoin de JavaScript", "Sans lui, une messagerie pourrait appuyer sur le bouton à votre place. Activez JavaScript pour cette page, puis ouvrez de nouveau le lien de notre message.",
			"Ou contactez l’assistance, comme l’indique notre message. Dites que ce n’était pas vous.",
		},
	}
}
