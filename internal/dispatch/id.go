package dispatch

import (
	"fmt"
	"time"
)

// messageID names one minted code: each has a text of its own, so each attempt has an id of its own.
func messageID(challenge string, sends int, now time.Time) string {
	return fmt.Sprintf("%s.%d.%d", challenge, sends, now.UnixMilli())
}
