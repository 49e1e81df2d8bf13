package conformance

import (
	"net/http"
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
