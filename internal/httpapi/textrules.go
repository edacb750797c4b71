package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/phone"
	"github.com/holdfast/holdfast/internal/textrule"
)

type (
	// rulesBody is rules on the wire. A list that is left out says nothing; an empty one says nowhere.
	rulesBody struct {
		Countries  *[]string     `json:"countries,omitempty"`
		Lines      *[]phone.Line `json:"lines,omitempty"`
		PrefixHour int           `json:"prefix_hour,omitempty"`
		CountryDay int           `json:"country_day,omitempty"`
		Day        int           `json:"day,omitempty"`
	}
	// boundsBody is rules in which everything is said.
	boundsBody struct {
		Countries  []string     `json:"countries"`
		Lines      []phone.Line `json:"lines"`
		PrefixHour int          `json:"prefix_hour"`
		CountryDay int          `json:"country_day"`
		Day        int          `json:"day"`
	}
	textRulesBody struct {
		Version   int64      `json:"version"`
		Own       rulesBody  `json:"own"`
		Ceiling   boundsBody `json:"ceiling"`
		Effective boundsBody `json:"effective"`
		ChangedAt time.Time  `json:"changed_at,omitzero"`
		ChangedBy string     `json:"changed_by,omitempty"`
	}
	textRulesRequest struct {
		Version int64 `json:"version"`
		rulesBody
	}
)

func presentTextRules(v textrule.View) textRulesBody {
	return textRulesBody{
		Version: v.Version, Own: presentRules(v.Own), Ceiling: presentBounds(v.Ceiling), Effective: presentBounds(v.Effective),
		ChangedAt: v.ChangedAt.UTC(), ChangedBy: v.ChangedBy,
	}
}

func presentRules(r textrule.Rules) rulesBody {
	return rulesBody{Countries: said(r.Countries), Lines: said(r.Lines), PrefixHour: r.PrefixHour, CountryDay: r.CountryDay, Day: r.Day}
}

func presentBounds(r textrule.Rules) boundsBody {
	return boundsBody{Countries: list(r.Countries), Lines: list(r.Lines), PrefixHour: r.PrefixHour, CountryDay: r.CountryDay, Day: r.Day}
}

// said is a list on the wire: nil where nothing is said.
func said[T any](list []T) *[]T {
	if list == nil {
		return nil
	}
	return &list
}

func (b rulesBody) rules() textrule.Rules {
	r := textrule.Rules{PrefixHour: b.PrefixHour, CountryDay: b.CountryDay, Day: b.Day}
	if b.Countries != nil {
		r.Countries = *b.Countries
	}
	if b.Lines != nil {
		r.Lines = *b.Lines
	}
	return r
}

// getTextRules handles GET /v1/text-rules.
func (h *handler) getTextRules(c echo.Context) error {
	v, err := h.TextRules.Get(c.Request().Context(), callOf(c).who.Tenant)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentTextRules(v))
}

// putTextRules handles PUT /v1/text-rules.
func (h *handler) putTextRules(c echo.Context) error {
	var body textRulesRequest
	if err := decode(c, &body); err != nil {
		return err
	}
	in := callOf(c)
	v, err := h.TextRules.Set(c.Request().Context(), textrule.SetCommand{
		Tenant: in.who.Tenant, Version: body.Version, Rules: body.rules(), By: in.who.Actor(), RequestID: in.requestID,
	})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, presentTextRules(v))
}
