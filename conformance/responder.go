package conformance

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	requestType  = "application/ocsp-request"
	responseType = "application/ocsp-response"
)

// clockSkew is how far a server's clock and ours may be apart before dates count
// as wrong.
const clockSkew = time.Minute

// responder is an OCSP responder on trial, or one answer out of a file.
type responder struct {
	client *client // nil: a file
	url    string
	issuer *certificate // nil only for a file
	good   *certificate
	// revoked, held and expired are nil when the user has none.
	revoked, held, expired *certificate
	// missing is a serial number that was never issued.
	missing []byte
	// watch is how long answers are watched over a refresh.
	watch time.Duration

	file  *answer
	asked map[string]*Exchange
	// plainest and hash are what settle found.
	plainest *Exchange
	hash     crypto.Hash
	// ended counts how often the server was gone, and gone says that it stayed
	// away.
	ended int
	gone  bool
}

// ask posts an inquiry once in a run; the name is what it is remembered by.
func (r *responder) ask(t *trial, name string, q inquiry) *Exchange {
	return r.post(t, name, q.marshal())
}

func (r *responder) post(t *trial, name string, body []byte) *Exchange {
	return r.send(t, question{name: name, method: http.MethodPost, url: r.url, body: body, header: map[string]string{"Content-Type": requestType, "Accept": responseType}})
}

// get asks by GET with the rest of the path spelt as given.
func (r *responder) get(t *trial, name, method, rest string, header map[string]string) *Exchange {
	return r.send(t, question{name: name, method: method, url: r.url, path: r.path(t) + rest, header: header})
}

// byGet is a question by GET, for whoever asks it more than once.
func (r *responder) byGet(t *trial, name string, q inquiry) question {
	return question{name: name, method: http.MethodGet, url: r.url, path: r.path(t) + base64Path(q.marshal()), header: map[string]string{"Accept": responseType}}
}

// path is where requests by GET begin.
func (r *responder) path(t *trial) string {
	u, err := url.Parse(r.url)
	if err != nil {
		t.couldNot("the URL is malformed: %v", err)
	}
	return strings.TrimSuffix(u.EscapedPath(), "/") + "/"
}

func (r *responder) send(t *trial, q question) *Exchange {
	x, ok := r.asked[q.name]
	if !ok {
		x = r.client.ask(t.ctx, q)
		// A server that ended itself over the last request, and is started anew,
		// does not fail this one. What it does over this one it does twice.
		if leftAlone(x.Err) && r.plainest != nil && r.plainest.Err == nil && !r.gone {
			if errors.Is(x.Err, syscall.ECONNREFUSED) {
				r.ended++
			}
			if r.gone = !r.back(t); !r.gone {
				x = r.client.ask(t.ctx, q)
			}
		}
		if r.asked == nil {
			r.asked = map[string]*Exchange{}
		}
		r.asked[q.name] = x
	}
	t.saw(x)
	return x
}

// leftAlone reports whether nobody was there to answer, or was there no more.
func leftAlone(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
}

// id writes the CertID of a certificate.
func (r *responder) id(serial []byte) []byte { return idOf(r.issuer, serial, r.hash, false) }

// settle finds out how the server can be asked at all: with the SHA-256 that RFC
// 9919 wants, or, where that is refused, with SHA-1, so that one fault does not
// hide all others.
func (r *responder) settle(t *trial) {
	if r.plainest != nil {
		t.saw(r.plainest)
		return
	}
	r.hash = crypto.SHA256
	r.plainest = r.ask(t, "status of the good certificate", inquiry{ids: [][]byte{r.id(r.good.serial)}})
	if r.plainest.Err != nil || succeeds(r.plainest) {
		return
	}
	id := idOf(r.issuer, r.good.serial, sha1, false)
	if x := r.ask(t, "status of the good certificate by SHA-1", inquiry{ids: [][]byte{id}}); succeeds(x) {
		r.plainest, r.hash = x, sha1
	}
}

// succeeds reports whether an exchange has a successful answer.
func succeeds(x *Exchange) bool {
	if x.Err != nil || x.Status != http.StatusOK {
		return false
	}
	a, err := parseAnswer(x.Response)
	return err == nil && a.status == statusSuccessful
}

// baseline is the plainest question of all. Whatever else is asked, a server
// that does not answer this one cannot be tested.
func (r *responder) baseline(t *trial) *Exchange {
	r.settle(t)
	return r.plainest
}

// alive ends the check when the server does not answer at all.
func (r *responder) alive(t *trial) {
	if r.client == nil {
		t.skip("there is a file and no server")
	}
	if x := r.baseline(t); x.Err != nil {
		t.couldNot("%v", x.Err)
	}
}

// still waits until the server answers again after hostile requests, as one that
// is started anew does, and ends the check when it does not.
func (r *responder) still(t *trial) {
	r.alive(t)
	if r.gone = r.gone || !r.back(t); r.gone {
		t.couldNot("the server does not answer any more, after what it was sent")
	}
}

func (r *responder) back(t *trial) bool {
	body := inquiry{ids: [][]byte{r.id(r.good.serial)}}.marshal()
	for range 10 {
		x := r.client.ask(t.ctx, question{name: "is it still there", method: http.MethodPost, url: r.url, body: body, header: map[string]string{"Content-Type": requestType}})
		if x.Err == nil && x.Status == r.plainest.Status {
			return true
		}
		select {
		case <-t.ctx.Done():
			return false
		case <-time.After(200 * time.Millisecond):
		}
	}
	return false
}

// sound ends the check when the plainest question has no successful answer: what
// becomes of a variation of it would say nothing.
func (r *responder) sound(t *trial) {
	r.alive(t)
	if a := r.reply(t, r.plainest, nil); a.status != statusSuccessful || len(a.singles) == 0 {
		t.couldNot("the plainest request is not answered successfully")
	}
}

// reply reads the answer in an exchange, or ends the check.
func (r *responder) reply(t *trial, x *Exchange, asked []byte) *answer {
	switch {
	case x.Err != nil:
		t.couldNot("%v", x.Err)
	case x.Status != http.StatusOK:
		t.couldNot("%s: the server answers HTTP %d", x.Name, x.Status)
	}
	a, err := parseAnswer(x.Response)
	if err != nil {
		t.couldNot("%s: %v", x.Name, err)
	}
	a.x, a.asked = x, asked
	return a
}

// success reads an answer that must be successful for the check to go on.
func (r *responder) success(t *trial, x *Exchange, asked []byte) *answer {
	a := r.reply(t, x, asked)
	if a.status != statusSuccessful || len(a.singles) == 0 {
		t.couldNot("%s: the answer is %s", x.Name, statusName(a.status))
	}
	return a
}

// honest reads the answer to an unusual but honest request: a server that
// breaks over it fails.
func (r *responder) honest(t *trial, x *Exchange) *answer {
	switch {
	case x.unsent():
		// It is not this request that the server did not bear.
		t.couldNot("%s: the server is not there any more: %v", x.Name, x.Err)
	case x.Err != nil:
		t.miss("%s: %v", x.Name, x.Err)
		return nil
	case x.Status != http.StatusOK:
		// A refusal at the level of HTTP is a refusal.
		if x.Status >= 500 {
			t.miss("%s: the server answers HTTP %d", x.Name, x.Status)
			return nil
		}
		return &answer{x: x, status: -x.Status}
	}
	a, err := parseAnswer(x.Response)
	if err != nil {
		t.miss("%s: %v", x.Name, err)
		return nil
	}
	a.x = x
	return a
}

// state asks for one certificate, without nonce.
func (r *responder) state(t *trial, what string, serial []byte) *answer {
	r.alive(t)
	id := r.id(serial)
	return r.success(t, r.status(t, what, id), id)
}

// status asks for one of the user's certificates.
func (r *responder) status(t *trial, what string, id []byte) *Exchange {
	if what == "good" {
		return r.baseline(t)
	}
	return r.ask(t, "status of the "+what+" certificate", inquiry{ids: [][]byte{id}})
}

// answers are the answers that every check of contents looks at: one for each
// certificate that the user has, or the file. Those that are no answers at all
// are left to the checks that ask for them.
func (r *responder) answers(t *trial) []*answer {
	if r.file != nil {
		t.saw(r.file.x)
		if r.file.status != statusSuccessful || r.file.tbs == nil {
			t.skip("the answer is %s and holds nothing", statusName(r.file.status))
		}
		return []*answer{r.file}
	}
	r.alive(t)
	var all []*answer
	problem := errors.New("there is no answer to judge")
	for _, subject := range r.subjects() {
		id := r.id(subject.serial)
		x := r.status(t, subject.what, id)
		if x.Err != nil || x.Status != http.StatusOK {
			continue
		}
		a, err := parseAnswer(x.Response)
		switch {
		case err != nil:
			problem = err
		case a.status == statusSuccessful && a.tbs != nil:
			a.x, a.asked = x, id
			all = append(all, a)
		default:
			problem = errors.New("the answer is " + statusName(a.status))
		}
	}
	if len(all) == 0 {
		t.couldNot("%v", problem)
	}
	return all
}

// subject is one certificate of the user's and what it is an example of.
type subject struct {
	what        string
	serial      []byte
	certificate *certificate // nil for one that was never issued
}

func (r *responder) subjects() []subject {
	all := []subject{{"good", r.good.serial, r.good}}
	if r.revoked != nil {
		all = append(all, subject{"revoked", r.revoked.serial, r.revoked})
	}
	if r.held != nil {
		all = append(all, subject{"held", r.held.serial, r.held})
	}
	return append(all, subject{"never issued", r.missing, nil})
}

// when is the moment at which an answer is judged.
func (a *answer) when(t *trial) time.Time {
	if a.x == nil || a.x.At.IsZero() {
		return t.now
	}
	return a.x.At.Add(a.x.Took)
}

// each calls do for every SingleResponse of every answer.
func (r *responder) each(t *trial, do func(*answer, *single)) {
	for _, a := range r.answers(t) {
		for i := range a.singles {
			do(a, &a.singles[i])
		}
	}
}

// signers calls do for each certificate that signed answers and is not the
// authority's own.
func (r *responder) delegates(t *trial, do func(*answer, *certificate)) {
	found := false
	for _, a := range r.answers(t) {
		signer := a.signer(r.issuer)
		if signer == nil {
			t.couldNot("the answer names a signer whose certificate is not in it")
		}
		if r.issuer != nil && string(signer.spki) == string(r.issuer.spki) {
			continue
		}
		found = true
		do(a, signer)
	}
	if !found {
		t.skip("the authority signs its answers itself")
	}
}

// base64Path writes a request as RFC 6960, Appendix A.1 wants it in a path.
func base64Path(request []byte) string {
	return url.QueryEscape(base64.StdEncoding.EncodeToString(request))
}

// judgeAll runs checks on a subject, leaving out those that need what there is
// not. Hostile ones come last, so that a server that dies of one was judged in
// everything else; the results stand in the order of the checks.
func judgeAll[S any](ctx context.Context, checks []check[S], subject S, o runOptions) []Result {
	results := make([]*Result, len(checks))
	for _, last := range []bool{false, true} {
		for i, c := range checks {
			if (c.mode == hostile) != last || c.mode != anywhere && o.offline {
				continue
			}
			if c.mode == hostile && o.noHostile {
				results[i] = &Result{Requirement: c.requirement(), Verdict: NotApplicable, Details: []string{"left out: its test is hostile"}}
				continue
			}
			if o.onCheck != nil {
				o.onCheck(c.id)
			}
			result := try(ctx, c, subject, time.Now())
			results[i] = &result
		}
	}
	var all []Result
	for _, r := range results {
		if r != nil {
			all = append(all, *r)
		}
	}
	return all
}

// runOptions are what all runs of checks have in common.
type runOptions struct {
	offline, noHostile bool
	onCheck            func(id string)
}
