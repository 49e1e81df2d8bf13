package conformance

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/crypto/cryptobyte"

	"github.com/altamga/altamga/internal/der"
	"github.com/altamga/altamga/internal/pki"
)

// What RFC 3161 says of replies and tokens.
var rfc3161 = []check[*authority]{
	{"TSA-01", "RFC 3161, Section 3.4", Must, "a query posted as application/timestamp-query is answered as application/timestamp-reply", "post; read Content-Type", wire, func(t *trial, a *authority) {
		a.alive(t)
		r, _ := a.baseline(t)
		switch {
		case r.x.Status != http.StatusOK:
			t.fail("HTTP %d instead of 200", r.x.Status)
		case !sameMedia(r.x.Header.Get("Content-Type"), replyType):
			t.fail("Content-Type is %q", clip(r.x.Header.Get("Content-Type")))
		}
	}},
	{"TSA-02", "RFC 3161, Section 2.4.2", Must, "there is a token when the query is granted, and only then", "post good and bad queries", anywhere, tokenIffGranted},
	{"TSA-09", "RFC 3161, Section 2.3", Must, "the unit's certificate has the purpose timeStamping alone, critical", "read it", anywhere, eachUnit(func(t *trial, c *certificate) {
		ids, critical := c.purposes()
		if len(ids) != 1 || !ids[0].Equal(pki.OIDTimeStamping) {
			t.fail("its extended key usage is not timeStamping alone")
		}
		if !critical {
			t.fail("its extended key usage is not critical")
		}
	})},
	{"TSA-10", "RFC 3161, Section 2.3", Must, "the unit's key only signs", "read its key usage", anywhere, eachUnit(func(t *trial, c *certificate) {
		if bits, there := c.usage(); there && bits&^(usageDigitalSignature|usageNonRepudiation) != 0 {
			t.fail("its key usage has other bits than digitalSignature and nonRepudiation")
		}
	})},
	{"TSA-11", "RFC 3161, Section 2.4.2", Must, "the imprint is the query's", "compare octets", wire, func(t *trial, a *authority) {
		for _, r := range a.replies(t) {
			if !bytes.Equal(r.tst.info.imprint, r.query.imprint()) {
				t.fail("%s: the imprint is another one", r.x.Name)
			}
		}
	}},
	{"TSA-12", "RFC 3161, Section 2.4.2", Must, "the nonce is the query's", "compare octets", wire, func(t *trial, a *authority) {
		r := a.first(t)
		if !bytes.Equal(r.tst.info.nonce, r.query.nonce) {
			t.fail("the nonce is missing or another one")
		}
	}},
	{"TSA-13", "RFC 3161, Section 2.4.2", Must, "genTime is in UTC with seconds, a fraction without trailing zeros", "read the raw octets", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		text := r.tst.info.genTime
		fraction, dot := "", false
		if i := strings.IndexByte(text, '.'); i >= 0 {
			dot, fraction = true, strings.TrimSuffix(text[i+1:], "Z")
		}
		if r.tst.info.at.IsZero() || !strings.HasSuffix(text, "Z") || dot && (fraction == "" || strings.HasSuffix(fraction, "0")) {
			t.fail("genTime is %q", clip(text))
		}
	})},
	{"TSA-15", "RFC 3161, Section 2.4.2", Must, "TSTInfo has version 1", "read it", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		if r.tst.info.version != 1 {
			t.fail("version %d", r.tst.info.version)
		}
	})},
	{"TSA-18", "RFC 3161, Section 2.4.2", Must, "serial numbers are unique", "stamp five times", wire, func(t *trial, a *authority) {
		seen := map[string]bool{}
		for _, r := range a.five(t) {
			if key := string(r.tst.info.serial); seen[key] {
				t.fail("serial %x was given twice", key)
			} else {
				seen[key] = true
			}
		}
	}},
	{"TSA-19", "RFC 3161, Section 2.4.2", Must, "tsa, when there, is a name of the unit's certificate", "compare", anywhere, eachToken(func(t *trial, a *authority, r *stampReply) {
		if r.tst.info.tsa == nil {
			return
		}
		c := a.unit(t, r)
		directory := built(func(b *cryptobyte.Builder) {
			b.AddASN1(explicit(4), func(b *cryptobyte.Builder) { b.AddBytes(c.subject) })
		})
		if bytes.Equal(r.tst.info.tsa, directory) {
			return
		}
		if san := c.extensions.get(pki.OIDSubjectAltName); san == nil || !bytes.Contains(san.value, r.tst.info.tsa) {
			t.fail("tsa is no name of the unit's certificate")
		}
	})},
	{"TSA-21", "RFC 3161, Section 2.4.2", Must, "serial numbers have at most 160 bits", "read them", anywhere, eachToken(func(t *trial, _ *authority, r *stampReply) {
		switch n := r.tst.info.serialNumber(); {
		case n.BitLen() > 160:
			t.fail("the serial number has %d bits", n.BitLen())
		case n.Sign() < 0:
			t.should("the serial number is negative")
		}
	})},
	{"TSA-23", "RFC 3161, Section 2.4.2", Must, "no nonce unless asked", "stamp without one", wire, func(t *trial, a *authority) {
		if r := a.granted(t, "a time stamp without nonce and certificates", a.bare()); r.tst.info.nonce != nil {
			t.fail("there is a nonce that was not asked for")
		}
	}},
	{"TSA-24", "RFC 3161, Section 2.4.1", Must, "certReq decides whether the unit's certificate comes along", "stamp with and without", wire, func(t *trial, a *authority) {
		with := a.first(t)
		if with.tst.signer() == nil {
			t.fail("certReq is true, and the signer's certificate is not in the token")
		}
		if a.granted(t, "a time stamp without nonce and certificates", a.bare()).tst.certsThere {
			t.fail("certReq is absent, and the token has the certificates field")
		}
	}},
	{"TSA-27", "RFC 3161, Section 2.4.2", Must, "MD5 is refused as badAlg", "ask with it", wire, func(t *trial, a *authority) {
		q := a.bare()
		q.hash, q.digest = pki.Algorithm{ID: oidMD5, Parameters: []byte{5, 0}}, random(16)
		a.refused(t, "imprint of MD5", q, 0)
	}},
	{"TSA-28", "RFC 3161, Section 2.4.2", Must, "an unknown hash function is refused as badAlg", "ask with one", wire, func(t *trial, a *authority) {
		q := a.bare()
		q.hash = pki.Algorithm{ID: oidUnheardOf}
		a.refused(t, "imprint of an unknown function", q, 0)
	}},
	{"TSA-29", "RFC 3161, Section 2.4.2", Should, "SHA-1 is refused as badAlg", "ask with it", wire, func(t *trial, a *authority) {
		q := a.bare()
		q.hash, q.digest = pki.Algorithm{ID: pki.OIDSHA1, Parameters: []byte{5, 0}}, random(20)
		a.alive(t)
		switch r, err := a.ask(t, "imprint of SHA-1", q); {
		case err != nil:
			t.fail("%v", err)
		case r.granted():
			t.should("SHA-1 is stamped; a policy may say so")
		case !slices.Contains(r.failBits, 0):
			t.should("it is refused as %s", r.refusal())
		}
	}},
	{"TSA-30", "RFC 3161, Section 2.4.1", Must, "an imprint of a wrong length is refused as badDataFormat", "ask with 31 octets for SHA-256", wire, func(t *trial, a *authority) {
		q := a.bare()
		q.digest = q.digest[:31]
		a.refused(t, "imprint of 31 octets", q, 5, 2)
	}},
	{"TSA-31", "RFC 3161, Section 2.4.2", Must, "a foreign policy is refused as unacceptedPolicy", "ask for one", wire, func(t *trial, a *authority) {
		q := a.bare()
		q.policy = oidUnheardOf
		a.refused(t, "foreign policy", q, 15)
	}},
	{"TSA-32", "RFC 3161, Section 2.4.2", Must, "the policy that was asked for is the token's", "ask for the policy of a first token", wire, func(t *trial, a *authority) {
		policy := a.policy
		if policy == nil {
			policy = a.first(t).tst.info.policy
		}
		q := a.bare()
		q.policy = policy
		a.first(t)
		switch r, err := a.ask(t, "its own policy", q); {
		case err != nil:
			t.fail("%v", err)
		case !r.granted():
			t.fail("its own policy is refused: %s", r.refusal())
		case r.tst != nil && !r.tst.info.policy.Equal(policy):
			t.fail("the token is of policy %v, and %v was asked for", r.tst.info.policy, policy)
		}
	}},
	{"TSA-33", "RFC 3161, Section 2.4.1", Must, "an unknown extension, critical or not, is refused as unacceptedExtension", "send both", wire, func(t *trial, a *authority) {
		for _, critical := range []bool{false, true} {
			q := a.bare()
			q.extensions = []der.Extension{unheardOf(critical)}
			a.refused(t, map[bool]string{false: "unknown extension", true: "unknown critical extension"}[critical], q, 16)
		}
	}},
	{"TSA-34", "RFC 3161, Section 2.4.1", Must, "another version is refused as badRequest or badDataFormat", "send version 2", wire, func(t *trial, a *authority) {
		q := a.bare()
		q.version = 2
		a.refused(t, "version 2", q, 2, 5)
	}},
	{"TSA-35", "RFC 3161, Section 2.4.2", Must, "what is no query is refused as badDataFormat, and hurts nothing", "send torn, padded and huge bodies", hostile, malformedQueries},
	{"TSA-36", "RFC 3161, Section 2.4.1", Must, "a nonce of any size and sign is echoed in its octets", "stamp with 0, 1, -1, 2^63, 2^159-1", wire, func(t *trial, a *authority) {
		a.first(t)
		for _, n := range []struct {
			name   string
			octets []byte
		}{
			{"0", []byte{0}}, {"1", []byte{1}}, {"-1", []byte{0xff}}, {"2^63", append([]byte{0, 0x80}, make([]byte, 7)...)},
			{"2^159-1", append([]byte{0x7f}, bytes.Repeat([]byte{0xff}, 19)...)},
		} {
			q := a.bare()
			q.nonce = n.octets
			switch r, err := a.ask(t, "nonce "+n.name, q); {
			case err != nil:
				t.fail("nonce %s: %v", n.name, err)
			case !r.granted() || r.tst == nil:
				t.fail("nonce %s is refused: %s", n.name, r.refusal())
			case !bytes.Equal(r.tst.info.nonce, n.octets):
				t.fail("nonce %s comes back as %x", n.name, r.tst.info.nonce)
			}
		}
	}},
	{"TSA-40", "RFC 3161, Section 2.4.2", Must, "failInfo has only the bits that the RFC lists, in DER", "provoke every refusal", wire, func(t *trial, a *authority) {
		a.alive(t)
		refusals := 0
		for _, p := range a.provocations() {
			r, err := a.ask(t, p.name, p.query)
			if err != nil || r.granted() {
				continue
			}
			refusals++
			switch {
			case !r.failThere:
				t.should("%s: there is no failInfo", p.name)
			case !r.failDER:
				t.fail("%s: failInfo ends with zero bits, which DER forbids", p.name)
			}
			for _, bit := range r.failBits {
				if failNames[bit] == "" {
					t.fail("%s: failInfo has bit %d", p.name, bit)
				}
			}
			if len(r.failBits) > 1 {
				t.should("%s: failInfo has %d bits", p.name, len(r.failBits))
			}
		}
		if refusals == 0 {
			t.couldNot("nothing was refused")
		}
	}},
}

func eachToken(judge func(*trial, *authority, *stampReply)) func(*trial, *authority) {
	return func(t *trial, a *authority) {
		for _, r := range a.replies(t) {
			judge(t, a, r)
		}
	}
}

func eachUnit(judge func(*trial, *certificate)) func(*trial, *authority) {
	return eachToken(func(t *trial, a *authority, r *stampReply) { judge(t, a.unit(t, r)) })
}

// provocation is a query that an authority refuses.
type provocation struct {
	name  string
	query stampQuery
}

func (a *authority) provocations() []provocation {
	change := func(name string, do func(*stampQuery)) provocation {
		q := a.bare()
		do(&q)
		return provocation{name, q}
	}
	return []provocation{
		change("imprint of an unknown function", func(q *stampQuery) { q.hash = pki.Algorithm{ID: oidUnheardOf} }),
		change("imprint of 31 octets", func(q *stampQuery) { q.digest = q.digest[:31] }),
		change("foreign policy", func(q *stampQuery) { q.policy = oidUnheardOf }),
		change("unknown extension", func(q *stampQuery) { q.extensions = []der.Extension{unheardOf(false)} }),
		change("version 2", func(q *stampQuery) { q.version = 2 }),
	}
}

// refused asks what must be refused with one of the failInfo bits.
func (a *authority) refused(t *trial, name string, q stampQuery, bits ...int) {
	a.alive(t)
	r, err := a.ask(t, name, q)
	switch {
	case err != nil:
		t.fail("%s: %v", name, err)
	case r.granted():
		t.fail("%s is stamped", name)
	case !slices.ContainsFunc(bits, func(b int) bool { return slices.Contains(r.failBits, b) }):
		t.fail("%s is refused as %s instead of %s", name, r.refusal(), failNames[bits[0]])
	}
}

func tokenIffGranted(t *trial, a *authority) {
	judge := func(name string, r *stampReply) {
		switch {
		case r.granted() && r.token == nil:
			t.fail("%s: status %d without a token", name, r.status)
		case !r.granted() && r.token != nil:
			t.fail("%s: status %d with a token", name, r.status)
		case r.granted() && r.failThere:
			t.fail("%s: status %d with failInfo", name, r.status)
		case r.status > 5:
			t.fail("%s: status %d does not exist", name, r.status)
		}
	}
	if a.file != nil {
		t.saw(a.file.x)
		judge("the reply", a.file)
		return
	}
	a.alive(t)
	r, err := a.baseline(t)
	if err != nil {
		t.fail("%v", err)
		return
	}
	judge("an honest query", r)
	if !r.granted() {
		if slices.Contains(r.failBits, 14) {
			t.couldNot("the authority has no time that it can prove")
		}
		t.fail("an honest query is refused: %s", r.refusal())
	}
	for _, p := range a.provocations() {
		if r, err := a.ask(t, p.name, p.query); err == nil {
			judge(p.name, r)
		}
	}
}

// five are tokens asked for in a row.
func (a *authority) five(t *trial) []*stampReply {
	var all []*stampReply
	for _, ordinal := range []string{"first", "second", "third", "fourth", "fifth"} {
		all = append(all, a.granted(t, "the "+ordinal+" of five in a row", a.bare()))
	}
	return all
}

func malformedQueries(t *trial, a *authority) {
	a.alive(t)
	sound := a.bare().marshal()
	for _, bad := range []struct {
		name string
		body []byte
	}{
		{"no body", []byte{}},
		{"torn query", sound[:len(sound)-5]},
		{"octets behind the query", append(append([]byte{}, sound...), 0, 0)},
		{"length of 2 GiB", []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x02}},
		{"deep nesting", nested(400)},
		{"text", []byte("hello")},
		{"64 KiB of zeros", make([]byte, 64<<10)},
	} {
		r, err := a.post(t, "malformed: "+bad.name, bad.body, stampQuery{})
		switch {
		case cutOff(r.x):
		case errors.Is(r.x.Err, syscall.ECONNREFUSED):
			t.fail("the server is gone before the query of %s, which none is", bad.name)
			return
		case r.x.Err != nil:
			t.fail("%s: %v", bad.name, r.x.Err)
		case r.x.Status >= 500:
			t.fail("%s: the server answers HTTP %d", bad.name, r.x.Status)
		case r.x.Status >= 400:
			// Refused by HTTP, with or without a reply.
		case err != nil:
			t.fail("%s: %v", bad.name, err)
		case r.granted():
			t.fail("%s is stamped", bad.name)
		case !slices.Contains(r.failBits, 5) && !slices.Contains(r.failBits, 2):
			t.fail("%s is refused as %s instead of badDataFormat", bad.name, r.refusal())
		}
	}
	if r, err := a.ask(t, "an honest query after malformed ones", a.bare()); err != nil || !r.granted() {
		t.fail("after malformed queries the server does not answer honest ones")
	}
}
