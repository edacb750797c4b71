package main

import (
	"strings"

	"github.com/holdfast/holdfast/internal/delivery"
	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/postgres"
)

type noticeCmd struct {
	Bounced noticeBouncedCmd `cmd:"" help:"Say that mails came back after the mail server had taken them: their acceptance is taken back."`
}

type noticeBouncedCmd struct {
	MessageIDs []string `arg:"" name:"message-id" help:"The Message-ID of each mail that came back, as the bounce quotes it."`
}

// Run reports bounces. One that was reported before, or that names a message which counts as delivered, changes nothing.
func (c noticeBouncedCmd) Run(e *env) error {
	return e.withDB(func(db *postgres.DB) error {
		deliveries := postgres.NewDeliveries(db)
		for _, id := range c.MessageIDs {
			id = strings.Trim(strings.TrimSpace(id), "<>")
			heard, err := deliveries.Report(e.ctx, delivery.Report{Provider: "smtp", Reference: id, Fate: delivery.Failed, Reason: delivery.Bounced})
			if err != nil {
				return fault.Wrap(err, "report "+id)
			}
			e.printf("%s  %s %s\n", id, heard.Verdict, heard.Kind)
		}
		return nil
	})
}
