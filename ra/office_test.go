package ra_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/dossier"
	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/pki"
	"github.com/altamga/altamga/internal/problem"
	"github.com/altamga/altamga/ra"
)

var _ ra.Store = (*dossier.SQLite)(nil)

// authority is a small certification authority: it signs, folds holds with the
// journal's own rules, and answers a repeated key with the first answer.
type authority struct {
	mu           sync.Mutex
	key          *ecdsa.PrivateKey
	issuer       *x509.Certificate
	certificates map[journal.Serial]*ra.Certificate
	answers      map[string]any
	position     uint64
	issues       int
	// fault, if set, may fail a question before or after it is carried out.
	fault func(what string, done bool) error
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Country: []string{"AZ"}, CommonName: "Elektron Hökumət Mərkəzi (test)"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key: key, issuer: issuer, certificates: make(map[journal.Serial]*ra.Certificate), answers: make(map[string]any)}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) failing(what string, done bool) error {
	if a.fault == nil {
		return nil
	}
	return a.fault(what, done)
}

func (a *authority) IssueSet(_ context.Context, request ra.SetRequest) ([]ra.Issued, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fails := func(done bool) error {
		for i, c := range request.Certificates {
			err := a.failing("issue "+c.Profile, done)
			if d, ok := errors.AsType[*problem.Details](err); ok {
				for k := range d.Errors {
					d.Errors[k].Field = fmt.Sprintf("certificates[%d].%s", i, d.Errors[k].Field)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := fails(false); err != nil {
		return nil, err
	}
	if issued, ok := a.answers[request.IdempotencyKey].([]ra.Issued); ok {
		return issued, fails(true)
	}
	var set []ra.Issued
	for _, c := range request.Certificates {
		issued, err := a.issueOne(request, c)
		if err != nil {
			return nil, err
		}
		set = append(set, issued)
	}
	a.answers[request.IdempotencyKey] = set
	return set, fails(true)
}

func (a *authority) issueOne(request ra.SetRequest, c ra.IssueRequest) (ra.Issued, error) {
	block, _ := pem.Decode([]byte(c.CSR))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return ra.Issued{}, err
	}
	identifier, err := pki.NaturalPersonIdentifier("AZ", request.FIN)
	if err != nil {
		return ra.Issued{}, err
	}
	number, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{Country: []string{"AZ"}, CommonName: request.CommonName, SerialNumber: identifier},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
	}, a.issuer, csr.PublicKey, a.key)
	if err != nil {
		return ra.Issued{}, err
	}
	a.position++
	serial := journal.SerialOf(number)
	entry := journal.Entry{Position: a.position, Kind: journal.Issued, Issuer: request.Issuer, Serial: serial, EffectiveAt: time.Now().UTC()}
	status, err := journal.Status{}.Apply(entry)
	if err != nil {
		return ra.Issued{}, err
	}
	a.certificates[serial] = &ra.Certificate{Serial: serial, Issuer: request.Issuer, Profile: c.Profile, Set: request.Set,
		Certificate: toPEM("CERTIFICATE", der), Status: status, History: []journal.Entry{entry}}
	a.issues++
	return ra.Issued{Serial: serial, Certificate: toPEM("CERTIFICATE", der), Chain: toPEM("CERTIFICATE", a.issuer.Raw)}, nil
}

func (a *authority) Change(ctx context.Context, request ra.ChangeRequest) (ra.Changed, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.failing("change", false); err != nil {
		return ra.Changed{}, err
	}
	if changed, ok := a.answers[request.IdempotencyKey].(ra.Changed); ok {
		return changed, a.failing("change", true)
	}
	c, ok := a.certificates[request.Serial]
	if !ok {
		return ra.Changed{}, fmt.Errorf("asking: %w", problem.New(404, "unknown_certificate", "no such certificate"))
	}
	// The rule of a real authority for a client that vouches for its staff.
	persons := slices.Compact(slices.Sorted(slices.Values(request.Persons)))
	if request.Owner == journal.Centre && (len(persons) == 0 || slices.Contains(persons, "") || request.Kind != journal.Held && len(persons) < 2) {
		return ra.Changed{}, problem.Invalid(problem.Field{Field: "persons", Detail: "names one person where two must agree"})
	}
	entry := journal.Entry{Position: a.position + 1, Kind: request.Kind, Serial: request.Serial, Owner: request.Owner, Reason: request.Reason,
		ReceivedAt: request.ReceivedAt, EffectiveAt: time.Now().UTC(), InvalidityDate: request.InvalidityDate}
	status, err := c.Status.Apply(entry)
	if transition, ok := errors.AsType[*journal.TransitionError](err); ok {
		d := problem.New(409, "illegal_transition", err.Error())
		for _, kind := range transition.Legal() {
			d.Legal = append(d.Legal, string(kind))
		}
		return ra.Changed{}, d
	}
	a.position++
	c.Status = status
	c.History = append(c.History, entry)
	changed := ra.Changed{Status: status, Entry: entry}
	a.answers[request.IdempotencyKey] = changed
	return changed, a.failing("change", true)
}

func (a *authority) Certificate(ctx context.Context, serial journal.Serial) (ra.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.failing("certificate", false); err != nil {
		return ra.Certificate{}, err
	}
	c, ok := a.certificates[serial]
	if !ok {
		return ra.Certificate{}, problem.New(404, "unknown_certificate", "no such certificate")
	}
	copied := *c
	copied.History = slices.Clone(c.History)
	return copied, nil
}

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func newCSR(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return toPEM("CERTIFICATE REQUEST", der)
}

// office is an office at work, with everything it wrote.
type office struct {
	testing.TB
	*ra.Office
	authority *authority
	store     *dossier.SQLite
	dir       string
	log       *bytes.Buffer
	mu        sync.Mutex
	audit     []string
	auditFail error
	reasons   []string
}

// staff of the tests; every token is the name with "-token".
var staff = []struct {
	name, fin string
	roles     []ra.Role
}{
	{"desk", "1DESK11", []ra.Role{ra.Operator}},
	{"desk2", "1DESK22", []ra.Role{ra.Operator}},
	{"chief", "1CHEF11", []ra.Role{ra.Officer}},
	{"night", "1NGHT11", []ra.Role{ra.Revocation}},
	{"night2", "1NGHT22", []ra.Role{ra.Revocation}},
	{"all", "1ALLR11", []ra.Role{ra.Operator, ra.Officer, ra.Revocation}},
}

func newOffice(t testing.TB, change ...func(*ra.Config)) *office {
	t.Helper()
	o := &office{TB: t, authority: newAuthority(t), dir: t.TempDir(), log: new(bytes.Buffer)}
	var err error
	o.store, err = dossier.Open(t.Context(), filepath.Join(o.dir, "ra.db"), bytes.Repeat([]byte{9}, dossier.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.store.Close() })
	config := ra.Config{
		Store: o.store, Authority: o.authority, Issuer: "ehm", Issuers: map[ra.Category]string{ra.Government: "hom"},
		Log: slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Audit: func(ctx context.Context, action string, attrs ...slog.Attr) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			if o.auditFail != nil {
				return o.auditFail
			}
			o.audit = append(o.audit, fmt.Sprint(action, " ", attrs))
			return nil
		},
		Observe: func(reason string, took time.Duration) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.reasons = append(o.reasons, reason)
		},
		ChecksPerMinute: -1,
		HashFIN:         hashFIN,
	}
	for _, s := range staff {
		config.Staff = append(config.Staff, ra.Person{Name: s.name, Roles: s.roles, FINHash: hashFIN(s.fin), TokenHash: sha256.Sum256([]byte(s.name + "-token"))})
	}
	for _, c := range change {
		c(&config)
	}
	if o.Office, err = ra.New(config); err != nil {
		t.Fatal(err)
	}
	return o
}

func hashFIN(fin string) [32]byte { return sha256.Sum256([]byte("secret" + fin)) }

// reply is a JSON answer.
type reply struct {
	*httptest.ResponseRecorder
	body map[string]any
}

func (r reply) text(field string) string { s, _ := r.body[field].(string); return s }

func (r reply) list(field string) (list []string) {
	values, _ := r.body[field].([]any)
	for _, v := range values {
		list = append(list, fmt.Sprint(v))
	}
	return list
}

// fields returns the names of the wrong fields.
func (r reply) fields() (names []string) {
	values, _ := r.body["errors"].([]any)
	for _, v := range values {
		names = append(names, v.(map[string]any)["field"].(string))
	}
	slices.Sort(names)
	return names
}

// call sends body (a string as it is, anything else as JSON) as the person.
func (o *office) call(who, method, path string, body any, headers ...string) reply {
	o.Helper()
	var text string
	switch b := body.(type) {
	case nil:
	case string:
		text = b
	default:
		data, err := json.Marshal(b)
		if err != nil {
			o.Fatal(err)
		}
		text = string(data)
	}
	r := httptest.NewRequest(method, path, strings.NewReader(text))
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+who+"-token")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	reply := reply{ResponseRecorder: w}
	if strings.Contains(w.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(w.Body.Bytes(), &reply.body); err != nil {
			o.Fatal(err)
		}
	}
	if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
		o.Errorf("%s %s: %d is %q, want a problem document", method, path, w.Code, w.Header().Get("Content-Type"))
	}
	if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		o.Errorf("%s %s: 503 without Retry-After", method, path)
	}
	return reply
}

// want calls and demands the status.
func (o *office) want(status int, who, method, path string, body any, headers ...string) reply {
	o.Helper()
	r := o.call(who, method, path, body, headers...)
	if r.Code != status {
		o.Fatalf("%s %s as %s = %d %s; want %d", method, path, who, r.Code, r.Body, status)
	}
	return r
}

// refused calls and demands the status and code of a refusal.
func (o *office) refused(status int, code, who, method, path string, body any, headers ...string) reply {
	o.Helper()
	r := o.want(status, who, method, path, body, headers...)
	if r.text("code") != code {
		o.Errorf("%s %s as %s: code %q, want %q (%s)", method, path, who, r.text("code"), code, r.Body)
	}
	return r
}

func person(fin string) map[string]any {
	return map[string]any{"category": "citizen", "given_name": "Gülnarə", "surname": "Əliyeva", "fin": fin,
		"email": "gulnare@example.org", "phone": "+994 50 123 45 67", "search_consent": true}
}

var verified = map[string]any{"docs": "complete", "identity": "matched"}

// application makes one and brings it to the state.
func (o *office) application(state ra.State, fin string) string {
	o.Helper()
	id := o.want(201, "desk", "POST", "/v1/applications", person(fin)).text("id")
	at := "/v1/applications/" + id
	switch state {
	case ra.Submitted:
	case ra.Rejected:
		o.want(200, "chief", "POST", at+"/reject", map[string]any{"reason": "no"})
	case ra.Withdrawn:
		o.want(200, "desk", "POST", at+"/withdraw", nil)
	default:
		o.want(200, "desk", "POST", at+"/verify", verified)
		if state == ra.Verified {
			break
		}
		o.want(200, "chief", "POST", at+"/approve", nil)
		if state == ra.Completed {
			o.want(201, "desk", "POST", at+"/issue", o.csrs())
		}
	}
	return id
}

func (o *office) csrs() map[string]any {
	return map[string]any{"csr_signature": newCSR(o.TB, newKey(o.TB)), "csr_authentication": newCSR(o.TB, newKey(o.TB))}
}

// pair returns the serials of a completed application's certificates.
func (o *office) pair(fin string) (signature, authentication string) {
	o.Helper()
	id := o.application(ra.Completed, fin)
	issuance := o.want(200, "desk", "GET", "/v1/applications/"+id, nil).body["issuance"].(map[string]any)
	for i, to := range []*string{&signature, &authentication} {
		*to = issuance["certificates"].([]any)[i].(map[string]any)["serial"].(string)
	}
	return signature, authentication
}

func (o *office) audited(action string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.audit, func(line string) bool { return strings.HasPrefix(line, action+" ") })
}
