package interop_test

import (
	"errors"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// While one officer writes, another one is told so, and nothing is done.
func TestOneOfficerAtATime(t *testing.T) {
	b, kz, ctx := newBureau(t), newCountry(t, "KZ"), t.Context()
	m := &interop.Material{}
	if err := m.Add("KZ.xml", sign(t, kz.list, kz.signer)); err != nil {
		t.Fatal(err)
	}
	propose := func(token string) error {
		_, err := b.Propose(ctx, token, kz.proposal("https://kz.example/tl.xml"), m, kz.signers)
		return err
	}
	busy := map[string]error{}
	b.meanwhile = func() {
		b.meanwhile = nil
		_, _, busy["prepare"] = b.Prepare(ctx, "two", b.plan, b.files)
		_, busy["sign"] = b.Sign(ctx, "two", "")
		_, busy["publish"] = b.Publish(ctx, "two")
		busy["propose"] = propose("two")
		_, busy["test"] = b.TestPartner(ctx, "two", "KZ", nil, time.Now())
		_, busy["accept"] = b.AcceptPartner(ctx, "two", "KZ", "")
		_, busy["suspend"] = b.SuspendPartner(ctx, "two", "KZ", "why")
	}
	if err := propose("one"); err != nil {
		t.Fatal(err)
	}
	for what, err := range busy {
		if !errors.Is(err, interop.ErrBusy) {
			t.Errorf("%s meanwhile: %v", what, err)
		}
	}
	if p := b.state(t, "KZ", interop.PartnerProposed); p.ProposedBy != "first" || len(p.Steps) != 1 || len(busy) != 7 {
		t.Errorf("the record is %+v after %d attempts", p, len(busy))
	}
	if err := propose("two"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
