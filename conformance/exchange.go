package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"
)

// Exchange is one question to a server and its answer, or a file that was
// judged: the evidence that verdicts rest on.
type Exchange struct {
	// Name says what was asked, in a few words.
	Name string
	// Method and URL of the request; for a file, "FILE" and its name.
	Method, URL string
	// RequestHeader and Request are what was sent.
	RequestHeader http.Header
	Request       []byte
	// At is when it was sent and Took how long the whole answer took.
	At   time.Time
	Took time.Duration
	// Status, Header and Response are the answer. Status is 0 when there was
	// none.
	Status   int
	Header   http.Header
	Response []byte
	// Err says why there is no answer, or none that can be relied on.
	Err error
}

// unsent reports whether there was nobody to send the request to.
func (x *Exchange) unsent() bool {
	dialled, ok := errors.AsType[*net.OpError](x.Err)
	return ok && dialled.Op == "dial"
}

// shownOctets bounds what a report shows of one body. The hash is over all.
const shownOctets = 64 << 10

// octets is how a body stands in a report.
type octets struct {
	Length int    `json:"length"`
	SHA256 string `json:"sha256"`
	Hex    string `json:"hex"`
	// Cut says that Hex is only the beginning.
	Cut bool `json:"cut,omitempty"`
}

func shown(body []byte) *octets {
	if body == nil {
		return nil
	}
	sum := sha256.Sum256(body)
	o := &octets{Length: len(body), SHA256: hex.EncodeToString(sum[:])}
	if len(body) > shownOctets {
		body, o.Cut = body[:shownOctets], true
	}
	o.Hex = hex.EncodeToString(body)
	return o
}

// exchangeJSON is the stable form of an exchange.
type exchangeJSON struct {
	Name           string      `json:"name"`
	Method         string      `json:"method"`
	URL            string      `json:"url"`
	At             time.Time   `json:"at"`
	Milliseconds   float64     `json:"milliseconds"`
	RequestHeader  http.Header `json:"request_header,omitempty"`
	Request        *octets     `json:"request,omitempty"`
	Status         int         `json:"status,omitempty"`
	ResponseHeader http.Header `json:"response_header,omitempty"`
	Response       *octets     `json:"response,omitempty"`
	Error          string      `json:"error,omitempty"`
}

func (x *Exchange) view() exchangeJSON {
	v := exchangeJSON{Name: x.Name, Method: x.Method, URL: x.URL, At: x.At.UTC(), Milliseconds: float64(x.Took.Microseconds()) / 1000,
		RequestHeader: x.RequestHeader, Request: shown(x.Request), Status: x.Status, ResponseHeader: x.Header, Response: shown(x.Response)}
	if x.Err != nil {
		v.Error = x.Err.Error()
	}
	return v
}

// MarshalJSON writes the exchange with bodies as hash and hexadecimal.
func (x *Exchange) MarshalJSON() ([]byte, error) { return json.Marshal(x.view()) }
