package interop_test

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/interop"
)

// edit changes a file of the desk behind its back.
func (b *bureau) edit(t *testing.T, name, from, to string) {
	t.Helper()
	file := filepath.Join(b.dir, name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		t.Fatalf("%s has no %s: %s", name, from, text)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// G4: one officer who may write the folder does not become two.
func TestFolderAgainstLog(t *testing.T) {
	b, ctx := newBureau(t), t.Context()
	draft, _, err := b.Prepare(ctx, "one", b.plan, b.files)
	if err != nil {
		t.Fatal(err)
	}
	const record = "draft/draft.json"
	b.edit(t, record, `"prepared_by": "first"`, `"prepared_by": "second"`)
	if _, err := b.Sign(ctx, "one", draft.Digest); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("one officer prepares under another's name and signs: %v", err)
	}
	b.edit(t, record, `"prepared_by": "second"`, `"prepared_by": "first"`)
	b.edit(t, record, `"changes"`, `"follows": "00", "changes"`)
	if _, err := b.Sign(ctx, "two", draft.Digest); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("a draft after another list is signed: %v", err)
	}
	b.edit(t, record, `"follows": "00", `, "")
	deeds := b.deeds
	b.deeds = nil
	if _, err := b.Sign(ctx, "two", draft.Digest); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("a list is signed that the log does not know: %v", err)
	}
	b.deeds = deeds
	b.deeds[0].At = time.Now().AddDate(0, 0, -8)
	if _, err := b.Sign(ctx, "two", draft.Digest); err == nil || !strings.Contains(err.Error(), "prepare it again") {
		t.Errorf("an old draft is signed: %v", err)
	}
	b.deeds[0].At = time.Now()
	if _, err := b.Sign(ctx, "two", draft.Digest); err != nil {
		t.Fatal(err)
	}
	deeds = b.deeds
	b.deeds = b.deeds[:1]
	if _, err := b.Publish(ctx, "one"); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("a list is published that nobody signed: %v", err)
	}
	b.deeds = deeds
	if _, err := b.Publish(ctx, "one"); err != nil {
		t.Error(err)
	}
}

// G4: what a second officer signed is good for that draft, for some days, and
// while both are officers; not for another draft and not for ever.
func TestApprovalsEnd(t *testing.T) {
	b, ctx := newBureau(t), t.Context()
	approved := func() *interop.Draft {
		t.Helper()
		draft, _, err := b.Prepare(ctx, "one", b.plan, b.files)
		if err != nil {
			t.Fatal(err)
		}
		if draft, err = b.Sign(ctx, "two", draft.Digest); err != nil {
			t.Fatal(err)
		}
		return draft
	}
	first := approved()
	aside := t.TempDir()
	if err := os.CopyFS(filepath.Join(aside, "draft"), os.DirFS(filepath.Join(b.dir, "draft"))); err != nil {
		t.Fatal(err)
	}
	later()
	second, _, err := b.Prepare(ctx, "one", b.plan, b.files)
	if err != nil {
		t.Fatal(err)
	}
	// The files of the approved draft under the record of the new one.
	for _, name := range []string{"draft/signed.xml", "draft/unsigned.xml"} {
		data, err := os.ReadFile(filepath.Join(aside, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(b.dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b.edit(t, "draft/draft.json", `"digest"`, `"signed_by": "second", "digest"`)
	if _, err := b.Publish(ctx, "one"); err == nil {
		t.Error("one list is published by the approval of another one")
	}
	b.edit(t, "draft/draft.json", second.Digest, first.Digest)
	if _, err := b.Publish(ctx, "one"); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("the record of one draft has the files of another: %v", err)
	}
	// The whole of the draft that gave way.
	if err := os.RemoveAll(filepath.Join(b.dir, "draft")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(b.dir, os.DirFS(aside)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(ctx, "one"); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("a draft that gave way is published by its old approval: %v", err)
	}

	approved()
	third := interop.Officer{Name: "third", TokenHash: sha256.Sum256([]byte("three"))}
	for _, staying := range b.config.Officers {
		config := b.config
		config.Officers = []interop.Officer{staying, third}
		desk, err := interop.NewDesk(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := desk.Publish(ctx, "three"); err == nil || !strings.Contains(err.Error(), "is no officer any more") {
			t.Errorf("only %s stayed: %v", staying.Name, err)
		}
	}
	last := len(b.deeds) - 2
	b.deeds[last].At = time.Now().AddDate(0, 0, -8)
	if _, err := b.Publish(ctx, "one"); err == nil || !strings.Contains(err.Error(), "prepare it again") {
		t.Errorf("an old approval is used: %v", err)
	}
	b.deeds[last].At = time.Now()
	if _, err := b.Publish(ctx, "one"); err != nil {
		t.Error(err)
	}
}

// G4: what stands in a partner's record is what the officers did.
func TestRecordAgainstLog(t *testing.T) {
	b, kz, ctx := newBureau(t), newCountry(t, "KZ"), t.Context()
	m := &interop.Material{}
	if err := m.Add("KZ.xml", sign(t, kz.list, kz.signer)); err != nil {
		t.Fatal(err)
	}
	p, err := b.Propose(ctx, "one", kz.proposal("https://kz.example/tl.xml"), m, kz.signers)
	if err != nil {
		t.Fatal(err)
	}
	const record = "partners/KZ.json"
	// Accepted by an editor alone, it is in no list.
	b.edit(t, record, `"state": "proposed"`, `"state": "accepted"`)
	if _, _, err := b.Prepare(ctx, "one", b.plan, b.files); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("a list is prepared with a partner that nobody accepted: %v", err)
	}
	b.edit(t, record, `"state": "accepted"`, `"state": "proposed"`)
	if _, err := b.TestPartner(ctx, "one", "KZ", []*interop.Certificate{kz.leaf(t)}, time.Now()); err != nil {
		t.Fatal(err)
	}
	b.edit(t, record, `"proposed_by": "first"`, `"proposed_by": "second"`)
	if _, err := b.AcceptPartner(ctx, "one", "KZ", p.Offer.Digest()); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("one officer proposes under another's name and accepts: %v", err)
	}
	b.edit(t, record, `"proposed_by": "second"`, `"proposed_by": "first"`)
	if _, err := b.AcceptPartner(ctx, "two", "KZ", p.Offer.Digest()); err != nil {
		t.Fatal(err)
	}
	accepted, err := os.ReadFile(filepath.Join(b.dir, record))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.SuspendPartner(ctx, "two", "KZ", "why"); err != nil {
		t.Fatal(err)
	}
	// The record of before the suspension, and no record at all.
	suspended, err := os.ReadFile(filepath.Join(b.dir, record))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, record), accepted, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Prepare(ctx, "one", b.plan, b.files); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("a suspension is undone by an old record: %v", err)
	}
	if err := os.Remove(filepath.Join(b.dir, record)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Prepare(ctx, "one", b.plan, b.files); !errors.Is(err, interop.ErrContradicted) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a record that is gone is not missed: %v", err)
	}
	// A crash left what the log has under its second name: it counts.
	if err := os.WriteFile(filepath.Join(b.dir, record+".next"), suspended, 0o600); err != nil {
		t.Fatal(err)
	}
	b.state(t, "KZ", interop.PartnerSuspended)
	// The next officer puts it in place, so that no later step takes its name.
	if _, _, err := b.Prepare(ctx, "one", b.plan, b.files); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(b.dir, record+".next")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the record is still under its second name: %v", err)
	}
	b.state(t, "KZ", interop.PartnerSuspended)
}
