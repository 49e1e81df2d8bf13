package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/altamga/altamga/crl"
	"github.com/altamga/altamga/internal/durable"
	"github.com/altamga/altamga/ocsp"
)

// ocspList keeps the revocation list of an issuer that has no journal here.
type ocspList struct {
	list   *ocsp.List
	config ocspListConfig
	client *http.Client
	log    *slog.Logger
	// changed is told the position of a new list.
	changed func(position uint64)

	mu      sync.Mutex
	failing error
}

// ocspList opens the list of an issuer and takes the last good one, if there
// was one.
func (p *process) ocspList(ctx context.Context, issuer ocsp.Issuer, c ocspListConfig) (*ocspList, error) {
	list, err := ocsp.NewList(issuer.ID, issuer.Certificate, readRevocationList)
	if err != nil {
		return nil, err
	}
	c.Interval = cmp.Or(c.Interval, 10*time.Minute)
	c.MaxSize = cmp.Or(c.MaxSize, 64<<20)
	l := &ocspList{list: list, config: c, client: listClient(c), log: p.log.With("server", "ocsp", "issuer", issuer.ID), changed: func(uint64) {}}
	kept, err := os.ReadFile(string(c.Keep))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("reading kept list: %w", err)
	default:
		if _, _, err := list.Take(bytes.NewReader(kept)); err != nil {
			// Most likely its time is over. The next one is on its own then.
			l.log.WarnContext(ctx, "the revocation list that was kept is not used", "file", string(c.Keep), "error", err)
		}
	}
	return l, nil
}

// readRevocationList reads a list with package crl, which holds a window of it and no more.
func readRevocationList(in io.Reader, issuer *x509.Certificate, each func(x509.RevocationListEntry) error) (ocsp.ListHead, error) {
	r, err := crl.NewReader(in)
	if err != nil {
		return ocsp.ListHead{}, err
	}
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return ocsp.ListHead{}, err
		}
		if e.Issuer != nil {
			return ocsp.ListHead{}, errors.New("it is an indirect list, of several authorities")
		}
		if err := each(x509.RevocationListEntry{SerialNumber: e.Number(), RevocationTime: e.Since, ReasonCode: e.Reason}); err != nil {
			return ocsp.ListHead{}, err
		}
	}
	if err := r.Verify(issuer); err != nil {
		return ocsp.ListHead{}, err
	}
	return ocsp.ListHead{
		Number: r.CRLNumber, ThisUpdate: r.ThisUpdate, NextUpdate: r.NextUpdate,
		Delta: r.Base != nil, Part: !r.Scope.All(), Unknown: r.Unknown,
	}, nil
}

// run fetches the list now and then, until ctx ends.
func (l *ocspList) run(ctx context.Context) error {
	for {
		wait := l.config.Interval
		err := l.fetch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		l.mu.Lock()
		l.failing = err
		l.mu.Unlock()
		if err != nil {
			level := slog.LevelWarn
			if errors.Is(err, ocsp.ErrListBack) {
				level = slog.LevelError
			}
			l.log.Log(ctx, level, "revocation list not taken over", "error", err)
			wait = min(wait, time.Minute)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// fetch gets the list, and keeps it when it is a new one.
func (l *ocspList) fetch(ctx context.Context) error {
	der, err := l.get(ctx)
	if err != nil {
		return err
	}
	position, news, err := l.list.Take(bytes.NewReader(der))
	if err != nil || !news {
		return err
	}
	l.changed(position)
	head, _ := l.list.Head()
	l.log.InfoContext(ctx, "revocation list taken over", "number", head.Number, "this_update", head.ThisUpdate, "next_update", head.NextUpdate)
	if err := durable.Write(string(l.config.Keep), der, 0o644); err != nil {
		return fmt.Errorf("keeping list: %w", err)
	}
	return nil
}

// get returns the list's octets, within the configured bounds.
func (l *ocspList) get(ctx context.Context) ([]byte, error) {
	var in io.ReadCloser
	if l.config.URL == "" {
		file, err := os.Open(string(l.config.Path))
		if err != nil {
			return nil, fmt.Errorf("reading list: %w", err)
		}
		in = file
	} else {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(l.config.URL), nil)
		if err != nil {
			return nil, fmt.Errorf("fetching list: %w", err)
		}
		response, err := l.client.Do(request)
		if err != nil {
			return nil, fmt.Errorf("fetching list: %w", err)
		}
		in = response.Body
		if response.StatusCode != http.StatusOK {
			in.Close()
			return nil, fmt.Errorf("fetching list: %s answered %s", l.config.URL, response.Status)
		}
	}
	defer in.Close()
	der, err := io.ReadAll(io.LimitReader(in, l.config.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading list: %w", err)
	}
	if int64(len(der)) > l.config.MaxSize {
		return nil, fmt.Errorf("reading list: it has more than %d octets", l.config.MaxSize)
	}
	return der, nil
}

// ready adds to what the list itself says why there is no later one.
func (l *ocspList) ready(ctx context.Context) error {
	l.mu.Lock()
	failing := l.failing
	l.mu.Unlock()
	// A list that goes back is told at once: somebody has to look.
	if errors.Is(failing, ocsp.ErrListBack) {
		return failing
	}
	err := l.list.Ready(ctx)
	if err != nil && failing != nil {
		return fmt.Errorf("%w: %w", err, failing)
	}
	return err
}

// listClient is an HTTP client that connects to nothing but what the
// configuration means: whoever can change a DNS answer or send a redirect must
// not make this host speak to its own network's machines.
func listClient(c ocspListConfig) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !mayConnect(at.Addr().WithZone("").Unmap(), c) {
			return fmt.Errorf("%s is not a public address; name its network in ocsp.issuer.list.networks if it is meant", address)
		}
		return nil
	}}
	return &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 20 * time.Second, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if len(via) > 3 || request.URL.Host != via[0].URL.Host {
				return fmt.Errorf("redirected to %s", request.URL.Redacted())
			}
			return nil
		},
	}
}

// mayConnect reports whether an address is public, in one of the configured
// networks, or this host where the URL itself says so.
func mayConnect(address netip.Addr, c ocspListConfig) bool {
	if slices.ContainsFunc(c.Networks, func(n netip.Prefix) bool { return n.Contains(address) }) {
		return true
	}
	if address.IsLoopback() {
		u, err := url.Parse(string(c.URL))
		if err != nil {
			return false
		}
		named, err := netip.ParseAddr(u.Hostname())
		return u.Hostname() == "localhost" || err == nil && named.IsLoopback()
	}
	if address.Is6() && !netip.MustParsePrefix("2000::/3").Contains(address) { // RFC 4291, Section 2.4
		return false
	}
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598, Section 7
	return address.IsGlobalUnicast() && !address.IsPrivate() && !shared.Contains(address)
}
