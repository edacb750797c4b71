package app_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast/holdfast/api/client"
	"github.com/holdfast/holdfast/internal/app/apptest"
)

// I8. The sender works on an account's challenge while it is being answered. Neither stops the other: a refusal for that
// alone would tell an account from a decoy, for which nothing is sent.
func TestAnAnswerThatCrossesWithTheSender_IsJudgedAsAnyOther(t *testing.T) {
	t.Parallel()
	s := apptest.New(t)
	const claimants, rounds = 8, 10
	for i := range claimants * rounds {
		s.Register(t, apptest.Person{Ref: fmt.Sprintf("u%d", i), Email: fmt.Sprintf("u%d@example.com", i), Phone: fmt.Sprintf("+4477009%05d", i)})
	}
	var wg sync.WaitGroup
	codes := make([][]string, claimants)
	for w := range claimants {
		wg.Go(func() {
			for i := range rounds {
				c := s.Start(t, apptest.Claimant{Identifier: apptest.Email(fmt.Sprintf("u%d@example.com", w*rounds+i))})
				for _, m := range []client.Method{client.MethodEmail, client.MethodSms} {
					ch := c.Ask(t, m)
					for range 3 { // the first failures cost no wait
						codes[w] = append(codes[w], c.Answer(t, ch.ID, "12345678").Code())
					}
				}
			}
		})
	}
	wg.Wait()
	for _, got := range codes {
		for _, code := range got {
			require.Equal(t, string(client.ProblemCodeProofRefused), code)
		}
	}
}
