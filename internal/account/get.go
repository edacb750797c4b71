package account

import (
	"cmp"
	"context"
	"slices"

	"github.com/holdfast/holdfast/internal/fault"
	"github.com/holdfast/holdfast/internal/secret"
)

// Get gives an account back to the identity system that registered it. One that does not exist, was erased, or is another
// tenant's is fault.CodeNotFound.
func (s *Service) Get(ctx context.Context, c Caller, ref string) (View, error) {
	in, err := s.Store.Reading(ctx, s.query(c, ref))
	if err != nil {
		return View{}, fault.Wrap(err, "get account")
	}
	if in.Account == nil {
		return View{}, fault.Of(fault.CodeNotFound)
	}
	return s.view(c.Tenant, *in.Account)
}

// view opens what is sealed, in one order whoever asks: identifiers by type and text, channels by age. Removed channels and
// unconfirmed factors are not shown.
func (s *Service) view(tenant string, a Stored) (View, error) {
	key, err := s.Keys.OpenDataKey(a.DataKey, tenant, a.ID)
	if err != nil {
		return View{}, fault.Wrap(err, "open data key")
	}
	ref, err := key.Open(a.RefSealed, RefAAD(tenant, a.ID))
	if err != nil {
		return View{}, fault.Wrap(err, "open account_ref")
	}
	v := View{ID: a.ID, CreatedAt: a.CreatedAt, ChangedAt: a.ChangedAt, SavedLeft: a.SavedLeft}
	v.Ref, v.Population, v.AAL, v.IAL, v.Locale = string(ref), a.Population, a.AAL, a.IAL, a.Locale
	for _, id := range a.Identifiers {
		value, err := key.Open(id.Sealed, IdentifierAAD(tenant, a.ID, id.Type))
		if err != nil {
			return View{}, fault.Wrap(err, "open identifier")
		}
		v.Identifiers = append(v.Identifiers, Identifier{Type: id.Type, Value: secret.NewString(string(value))})
	}
	for _, c := range a.active() {
		address, err := key.Open(c.Sealed, ChannelAAD(tenant, a.ID, c.ID))
		if err != nil {
			return View{}, fault.Wrap(err, "open channel")
		}
		v.Channels = append(v.Channels, Channel{ID: c.ID, Kind: c.Kind, Address: secret.NewString(string(address)), VerifiedAt: c.Since})
	}
	slices.SortFunc(v.Identifiers, func(x, y Identifier) int {
		return cmp.Or(cmp.Compare(x.Type, y.Type), cmp.Compare(x.Value.Reveal(), y.Value.Reveal()))
	})
	slices.SortFunc(v.Channels, func(x, y Channel) int { return cmp.Or(x.VerifiedAt.Compare(y.VerifiedAt), cmp.Compare(x.ID, y.ID)) })
	for _, f := range a.Factors {
		if !f.ConfirmedAt.IsZero() {
			v.Factors = append(v.Factors, f.view())
		}
	}
	return v, nil
}

func (f StoredFactor) view() FactorView {
	return FactorView{ID: f.ID, Kind: f.Kind, EnrolledAt: f.EnrolledAt, ConfirmedAt: f.ConfirmedAt}
}
