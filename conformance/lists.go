package conformance

import (
	"net/http"
	"slices"
	"time"
)

const listType = "application/pkix-crl"

// lists is a distribution point on trial, with the delta beside it; or lists out
// of files.
type lists struct {
	client *client // nil: files
	url    string
	issuer *certificate // nil only for files
	// leaf, revoked and held are nil when the user has none.
	leaf, revoked, held *certificate
	deltaURL            string
	baseURL             string
	// watch is how long the list is watched for a roll-over.
	watch time.Duration

	file, deltaFile, baseFile *Exchange
	asked                     map[string]*Exchange
}

func (l *lists) get(t *trial, name, method, url string, header map[string]string) *Exchange {
	if l.client == nil {
		t.skip("there is a file and no server")
	}
	x, ok := l.asked[name]
	if !ok {
		x = l.client.ask(t.ctx, question{name: name, method: method, url: url, header: header, limit: maxDownload})
		if l.asked == nil {
			l.asked = map[string]*Exchange{}
		}
		l.asked[name] = x
	}
	t.saw(x)
	return x
}

// fetched is the plain GET of the list.
func (l *lists) fetched(t *trial) *Exchange {
	if l.file != nil {
		t.saw(l.file)
		return l.file
	}
	x := l.get(t, "the list", http.MethodGet, l.url, nil)
	if x.Err != nil {
		t.couldNot("%v", x.Err)
	}
	return x
}

// full is the list, parsed.
func (l *lists) full(t *trial) *list { return l.parsed(t, l.fetched(t)) }

func (l *lists) parsed(t *trial, x *Exchange) *list {
	if l.client != nil && x.Method != "FILE" && x.Status != http.StatusOK {
		t.couldNot("%s: the server answers HTTP %d", x.Name, x.Status)
	}
	parsed, err := parseList(x.Response)
	if err != nil {
		t.couldNot("%s: %v", x.Name, err)
	}
	parsed.x = x
	return parsed
}

// delta is the delta list; it ends the check when there is none.
func (l *lists) delta(t *trial) *list {
	switch {
	case l.deltaFile != nil:
		t.saw(l.deltaFile)
		return l.parsed(t, l.deltaFile)
	case l.deltaURL != "":
		x := l.get(t, "the delta list", http.MethodGet, l.deltaURL, nil)
		if x.Err != nil {
			t.couldNot("the delta list: %v", x.Err)
		}
		return l.parsed(t, x)
	}
	t.skip("there is no delta list; name it with --delta")
	return nil
}

// all are the lists that every check of contents looks at.
func (l *lists) all(t *trial) []*list {
	both := []*list{l.full(t)}
	if l.deltaFile != nil || l.deltaURL != "" {
		both = append(both, l.delta(t))
	}
	return both
}

func (l *list) when(t *trial) time.Time {
	if l.x.At.IsZero() {
		return t.now
	}
	return l.x.At.Add(l.x.Took)
}

// current judges whether a list is one at the moment that it was fetched.
func current(t *trial, l *list) {
	now := l.when(t)
	if l.thisUpdate.at.After(now.Add(clockSkew)) {
		t.fail("thisUpdate %s lies in the future", l.thisUpdate.text)
	}
	if l.nextUpdate.there() && !now.Before(l.nextUpdate.at) {
		t.fail("nextUpdate %s has passed", l.nextUpdate.text)
	}
}

// watched fetches the list again and again over the time that the user gave:
// there is a current one at every moment, and numbers only grow.
func (s *lists) watched(t *trial) {
	if s.client == nil || s.watch <= 0 {
		return
	}
	last := s.full(t)
	every := max(s.watch/30, 100*time.Millisecond)
	for end := time.Now().Add(s.watch); time.Now().Before(end) && !t.failed; {
		select {
		case <-t.ctx.Done():
			t.couldNot("the time for the whole run is over before the watch is")
		case <-time.After(every):
		}
		x := s.client.ask(t.ctx, question{name: "the list under watch", method: http.MethodGet, url: s.url, limit: maxDownload})
		t.result.exchanges = slices.DeleteFunc(t.result.exchanges, func(seen *Exchange) bool { return seen.Name == x.Name && seen != last.x })
		t.saw(x)
		if x.Err != nil {
			t.fail("under watch the list could not be fetched: %v", x.Err)
			return
		}
		next := s.parsed(t, x)
		current(t, next)
		monotone(t, last, next)
		last = next
	}
}
