package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/altamga/altamga/internal/problem"
)

// SiteConfig is what a [Site] needs.
type SiteConfig struct {
	// Dir is the desk's folder; Signers are those of the list in it.
	Dir     string
	Signers []*Certificate
	// Trust is what followed lists say; nil when none are followed.
	Trust func() *Trust
	// MaxAge is how long HTTP caches may keep files. Default 5 minutes.
	MaxAge time.Duration
	// Notice is how long before the next update the site says that it is due.
	// Default 14 days.
	Notice  time.Duration
	Log     *slog.Logger
	Observe func(reason string, took time.Duration)
}

// Site serves the current release and answers for followed lists.
type Site struct {
	config SiteConfig
	shown  atomic.Pointer[shown]
	merged atomic.Pointer[merged]
	mux    *http.ServeMux
}

// shown is the release that is being served.
type shown struct {
	target string
	*release
	trust *Trust
	since time.Time
}

// NewSite checks the configuration and reads the release that is there. There
// may be none yet.
func NewSite(c SiteConfig) (*Site, error) {
	if c.Dir == "" || len(c.Signers) == 0 {
		return nil, errors.New("the site needs a folder and the list's signers")
	}
	if c.MaxAge == 0 {
		c.MaxAge = 5 * time.Minute
	}
	if c.Notice == 0 {
		c.Notice = 14 * 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
	s := &Site{config: c, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /v1/lists", s.lists)
	s.mux.HandleFunc("POST /v1/trust", s.trustOf)
	s.mux.HandleFunc("/v1/", s.noWay)
	s.mux.HandleFunc("/", s.file)
	if err := s.look(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return s, nil
}

// interval is how often a [Site] looks where its folder's link leads.
const interval = 200 * time.Millisecond

// Run looks for a new release until ctx ends.
func (s *Site) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(interval):
		}
		if err := s.look(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.config.Log.ErrorContext(ctx, "new release is not served", "err", err)
		}
	}
}

// look serves the current release, if it is another than before. One that does
// not verify, or goes back, is not served.
func (s *Site) look() error {
	at := store{s.config.Dir}
	target, err := os.Readlink(at.link())
	if err != nil {
		return err
	}
	before := s.shown.Load()
	if before != nil && before.target == target {
		return nil
	}
	r, err := at.current(s.config.Signers)
	if err != nil {
		return err
	}
	if before != nil && r.list.Scheme.SequenceNumber <= before.list.Scheme.SequenceNumber {
		return fmt.Errorf("the folder has list %d; list %d was served already", r.list.Scheme.SequenceNumber, before.list.Scheme.SequenceNumber)
	}
	same, err := at.notBack(r.list)
	if err != nil {
		return err
	}
	if !same {
		if err := at.putServed(r.list); err != nil {
			s.config.Log.Warn("the number of the list is not remembered for the next start", "err", err)
		}
	}
	s.shown.Store(&shown{target: target, release: r, trust: NewTrust(r.list), since: time.Now()})
	s.config.Log.Info("list served", "sequence", r.list.Scheme.SequenceNumber, "next_update", r.list.Scheme.NextUpdate)
	return nil
}

// Ready reports why the site cannot do its job, or soon will not be able to.
func (s *Site) Ready(context.Context) error {
	now := s.shown.Load()
	switch {
	case now == nil:
		return errors.New("no list was published yet")
	case time.Until(now.list.Scheme.NextUpdate) < s.config.Notice:
		return fmt.Errorf("the list's next update is due on %s: prepare and sign one", now.list.Scheme.NextUpdate.Format(time.RFC3339))
	}
	return nil
}

// ServeHTTP answers.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	w.Header().Set("X-Content-Type-Options", "nosniff")
	s.mux.ServeHTTP(w, r)
	s.config.Observe("served", time.Since(began))
}

// media of the files that are served.
var media = map[string]string{
	".xml": MediaType, ".sha2": "text/plain; charset=utf-8", ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
}

// file serves the current release, and nothing else.
func (s *Site) file(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "lists are only read", http.StatusMethodNotAllowed)
		return
	}
	now := s.shown.Load()
	if now == nil {
		w.Header().Set("Retry-After", "60")
		http.Error(w, "no list was published yet", http.StatusServiceUnavailable)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		w.Header().Set("Vary", "Accept-Language")
		http.Redirect(w, r, "/"+now.stem+"."+preferred(r)+".html", http.StatusFound)
		return
	}
	data, ok := now.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", media[path.Ext(name)])
	h.Set("ETag", `"`+hex.EncodeToString(sum(data))+`"`)
	// RFC 9111, Section 4.2: fresh means usable unasked, which a list is not
	// after its next update.
	age := max(0, min(s.config.MaxAge, time.Until(now.list.Scheme.NextUpdate)))
	h.Set("Cache-Control", "max-age="+strconv.Itoa(int(age/time.Second))+", public, no-transform, must-revalidate")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	http.ServeContent(w, r, "", now.list.SignedAt, bytes.NewReader(data))
}

func sum(data []byte) []byte {
	digest := sha256.Sum256(data)
	return digest[:]
}

func (s *Site) noWay(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/lists":
		w.Header().Set("Allow", "GET, HEAD")
	case "/v1/trust":
		w.Header().Set("Allow", "POST")
	default:
		problem.New(http.StatusNotFound, "not_found", "there is nothing under this path").Write(w)
		return
	}
	problem.New(http.StatusMethodNotAllowed, "method_not_allowed", "the path knows another method").Write(w)
}

// merged is what several say together.
type merged struct {
	parts []*Trust
	all   *Trust
}

// Trust returns what the list that is served and those that are followed say:
// the same until one of them is another.
func (s *Site) Trust() *Trust {
	parts := s.trusts()
	if last := s.merged.Load(); last != nil && slices.Equal(last.parts, parts) {
		return last.all
	}
	now := &merged{parts, Merge(parts...)}
	s.merged.Store(now)
	return now.all
}

// trusts returns what is followed and what is published here.
func (s *Site) trusts() []*Trust {
	var all []*Trust
	if now := s.shown.Load(); now != nil {
		all = append(all, now.trust)
	}
	if s.config.Trust != nil {
		all = append(all, s.config.Trust())
	}
	return all
}

type listJSON struct {
	URL        string    `json:"url,omitempty"`
	Territory  string    `json:"territory"`
	Sequence   uint64    `json:"sequence,omitempty"`
	IssuedAt   time.Time `json:"issued_at,omitzero"`
	NextUpdate time.Time `json:"next_update,omitzero"`
	Stale      bool      `json:"stale"`
	SeenAt     time.Time `json:"seen_at,omitzero"`
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	Signer     string    `json:"signer_sha256,omitempty"`
	SHA256     string    `json:"sha256,omitempty"`
	Services   int       `json:"services"`
	Error      string    `json:"error,omitempty"`
}

// lists answers which lists are in force, how old they are, and what is wrong.
func (s *Site) lists(w http.ResponseWriter, _ *http.Request) {
	all := []listJSON{}
	for _, t := range s.trusts() {
		for _, state := range t.States() {
			out := listJSON{URL: state.URL, Territory: state.Territory, SeenAt: state.SeenAt, VerifiedAt: state.VerifiedAt}
			if state.Err != nil {
				out.Error = state.Err.Error()
			}
			if l := state.List; l != nil {
				out.Sequence, out.IssuedAt, out.NextUpdate, out.Stale = l.Scheme.SequenceNumber, l.Scheme.IssuedAt, l.Scheme.NextUpdate, state.Stale(time.Now())
				out.Signer, out.SHA256, out.Services = l.Signer.Fingerprint(), hex.EncodeToString(l.Digest[:]), len(orderedServices(l.List))
			}
			all = append(all, out)
		}
	}
	problem.WriteJSON(w, http.StatusOK, map[string]any{"lists": all})
}

// maxQuestion bounds the body of a question.
const maxQuestion = 64 << 10

// trustOf answers whether a certificate is vouched for at a time.
func (s *Site) trustOf(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		// Certificate is PEM or base64 of DER.
		Certificate string    `json:"certificate"`
		At          time.Time `json:"at"`
	}
	if _, refused := problem.ReadJSON(w, r, maxQuestion, &asked); refused != nil {
		refused.Write(w)
		return
	}
	c, err := parseCertificate(asked.Certificate)
	if err != nil {
		problem.Invalid(problem.Field{Field: "certificate", Detail: err.Error()}).Write(w)
		return
	}
	if asked.At.IsZero() {
		asked.At = time.Now()
	}
	var best Answer
	for i, t := range s.trusts() {
		if a := t.TrustedAt(c, asked.At); i == 0 || rank(a) < rank(best) || best.Territory == "" && a.Territory != "" {
			best = a
		}
	}
	if best.Why == "" {
		best.Why = "no list is in force here"
	}
	problem.WriteJSON(w, http.StatusOK, answerJSON(best))
}

func answerJSON(a Answer) map[string]any {
	out := map[string]any{"trusted": a.Trusted, "why": a.Why}
	if a.Territory != "" {
		out["territory"], out["provider"], out["service"], out["service_type"] = a.Territory, a.Provider, a.Service, a.Type
		out["status"], out["uses"], out["qualifiers"], out["itself"] = a.Status, orEmpty(a.Uses), orEmpty(a.Qualifiers), a.Itself
		out["list_sequence"], out["list_stale"] = a.Sequence, a.Stale
	}
	if !a.Since.IsZero() {
		out["since"] = a.Since
	}
	if !a.Until.IsZero() {
		out["until"] = a.Until
	}
	return out
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// parseCertificate reads PEM or base64 of DER.
func parseCertificate(text string) (*Certificate, error) {
	c := &Certificate{}
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("is PEM of a %s", block.Type)
		}
		c.Raw = block.Bytes
	} else {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return nil, errors.New("is neither PEM nor base64")
		}
		c.Raw = raw
	}
	_, err := c.Facts()
	return c, err
}
