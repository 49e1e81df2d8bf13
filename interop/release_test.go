package interop_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/altamga/altamga/interop"
)

// relink makes a release the current one, as nobody should.
func (b *bureau) relink(t *testing.T, number string) {
	t.Helper()
	link := filepath.Join(b.dir, "current")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if number == "" {
		return
	}
	if err := os.Symlink(filepath.Join("releases", number), link); err != nil {
		t.Fatal(err)
	}
}

// A release stays what it was, wherever the link to the current one leads, and
// the site does not go back at a restart.
func TestNumbersNeverRepeat(t *testing.T) {
	b, ctx := newBureau(t), t.Context()
	b.publish(t)
	later()
	early, _, err := b.Prepare(ctx, "one", b.plan, b.files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sign(ctx, "two", early.Digest); err != nil {
		t.Fatal(err)
	}
	aside := t.TempDir()
	if err := os.CopyFS(filepath.Join(aside, "draft"), os.DirFS(filepath.Join(b.dir, "draft"))); err != nil {
		t.Fatal(err)
	}
	later()
	b.publish(t)
	second := filepath.Join(b.dir, "releases", "00000002", "AZ-TL.xml")
	whole, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	site := func() error {
		_, err := interop.NewSite(interop.SiteConfig{Dir: b.dir, Signers: []*interop.Certificate{b.signer.list()}})
		return err
	}
	if err := site(); err != nil {
		t.Fatal(err)
	}
	if err := site(); err != nil {
		t.Errorf("the same list after a restart: %v", err)
	}
	b.relink(t, "00000001")
	if err := site(); err == nil || !strings.Contains(err.Error(), "list 2 was served already") {
		t.Errorf("the site goes back at a restart: %v", err)
	}
	if _, _, err := b.Prepare(ctx, "one", b.plan, b.files); err == nil || !strings.Contains(err.Error(), "numbers never repeat") {
		t.Errorf("another list 2 is prepared: %v", err)
	}
	// The draft that gave way comes back, signed and logged as it is.
	if err := os.CopyFS(b.dir, os.DirFS(aside)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(ctx, "one"); err == nil || !strings.Contains(err.Error(), "numbers never repeat") {
		t.Errorf("another list 2 is published: %v", err)
	}
	if now, err := os.ReadFile(second); err != nil || !bytes.Equal(now, whole) {
		t.Errorf("list 2 is not what it was: %v", err)
	}
}

// A crash before the link leaves a release behind: it is published again.
func TestPublishAfterCrash(t *testing.T) {
	b, ctx := newBureau(t), t.Context()
	draft, _, err := b.Prepare(ctx, "one", b.plan, b.files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Sign(ctx, "two", draft.Digest); err != nil {
		t.Fatal(err)
	}
	aside := t.TempDir()
	if err := os.CopyFS(filepath.Join(aside, "draft"), os.DirFS(filepath.Join(b.dir, "draft"))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	b.relink(t, "")
	if err := os.CopyFS(b.dir, os.DirFS(aside)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(ctx, "one"); err != nil {
		t.Error(err)
	}
}
