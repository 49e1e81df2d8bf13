package interop_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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
	remembered := filepath.Join(b.dir, ".served")
	memory, err := os.ReadFile(remembered)
	if err != nil {
		t.Fatal(err)
	}
	// It is written when there is something new, and only then.
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(remembered, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	if err := site(); err != nil {
		t.Errorf("the same list after a restart: %v", err)
	}
	if info, err := os.Stat(remembered); err != nil || time.Since(info.ModTime()) < time.Hour {
		t.Errorf("what did not change is written again: %v", err)
	}
	for _, broken := range [][]byte{nil, memory[:10], []byte("list two")} {
		if err := os.WriteFile(remembered, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := site(); err == nil {
			t.Errorf("a site begins although it cannot tell what it served: %q", broken)
		}
	}
	if err := os.WriteFile(remembered, memory, 0o600); err != nil {
		t.Fatal(err)
	}
	b.relink(t, "00000001")
	if err := site(); err == nil || !strings.Contains(err.Error(), "list 2 was served already") {
		t.Errorf("the site goes back at a restart: %v", err)
	}
	if _, _, err := b.Prepare(ctx, "one", b.plan, b.files); err == nil || !strings.Contains(err.Error(), "numbers never repeat") {
		t.Errorf("another list 2 is prepared: %v", err)
	}
	// The draft that gave way comes back, signed as it is; and even if nothing had
	// been prepared after it, its number is taken.
	if err := os.CopyFS(b.dir, os.DirFS(aside)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Publish(ctx, "one"); !errors.Is(err, interop.ErrContradicted) {
		t.Errorf("a draft that gave way is published: %v", err)
	}
	b.deeds = slices.DeleteFunc(b.deeds, func(d interop.Deed) bool { return d.Action == "list.prepare" && d.Digest != early.Digest })
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
