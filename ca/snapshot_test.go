package ca_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/altamga/altamga/ca"
)

// TestSnapshotOverHTTP: what the register's owner writes reaches the client as
// it is written, and a snapshot that broke off is no whole one.
func TestSnapshotOverHTTP(t *testing.T) {
	s := newService(t)
	ctx := t.Context()
	allowed, asked := true, ""
	config := s.config
	config.Allow = func(_, action, _, _ string) bool { asked = action; return allowed }
	offer := func(write func(context.Context, io.Writer) error) {
		t.Helper()
		config.Snapshot = write
		authority, err := ca.New(config)
		if err != nil {
			t.Fatal(err)
		}
		s.Authority = authority
	}
	first, second := "first\n", strings.Repeat("status\n", 100_000)
	offer(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, first)
		if err == nil {
			_, err = io.WriteString(w, second)
		}
		return err
	})
	t.Run("as it is written", func(t *testing.T) {
		body, err := s.client.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if text, err := io.ReadAll(body); err != nil || string(text) != first+second {
			t.Errorf("got %d octets, %v", len(text), err)
		}
	})
	t.Run("HEAD, no parameters, no other method", func(t *testing.T) {
		if response, body := s.send(t, "HEAD", "/v1/journal/snapshot", "", "", ""); response.StatusCode != http.StatusOK || body != "" || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %s %q", response.Status, body)
		}
		if response, _ := s.send(t, "GET", "/v1/journal/snapshot?after=1", "", "", ""); response.StatusCode != http.StatusBadRequest {
			t.Errorf("got %s", response.Status)
		}
		if response, _ := s.send(t, "POST", "/v1/journal/snapshot", "", "", ""); response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("got %s", response.Status)
		}
	})
	t.Run("takes the right to read the journal", func(t *testing.T) {
		allowed = false
		defer func() { allowed = true }()
		_, err := s.client.Snapshot(ctx)
		asProblem(t, err, http.StatusForbidden, "forbidden")
		if asked != ca.ActionJournal {
			t.Errorf("asked for %q", asked)
		}
	})
	t.Run("four at a time", func(t *testing.T) {
		release := make(chan struct{})
		offer(func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, second)
			<-release
			return err
		})
		var open []io.Closer
		for range 4 {
			body, err := s.client.Snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, body)
		}
		_, err := s.client.Snapshot(ctx)
		asProblem(t, err, http.StatusServiceUnavailable, "busy")
		close(release)
		for _, body := range open {
			body.Close()
		}
	})
	t.Run("one that breaks off is none", func(t *testing.T) {
		offer(func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, second)
			return errors.Join(err, errors.New("the register is away"))
		})
		body, err := s.client.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if text, err := io.ReadAll(body); err == nil {
			t.Errorf("it ended after %d octets as if it were whole", len(text))
		}
	})
	t.Run("one that never begins", func(t *testing.T) {
		offer(func(context.Context, io.Writer) error { return errors.New("the register is away") })
		_, err := s.client.Snapshot(ctx)
		asProblem(t, err, http.StatusServiceUnavailable, "register_unavailable")
	})
	t.Run("where none is offered", func(t *testing.T) {
		offer(nil)
		_, err := s.client.Snapshot(ctx)
		asProblem(t, err, http.StatusNotFound, "not_found")
	})
}
