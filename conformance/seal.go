package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// Stamp has data, such as a report that is to be filed, time-stamped by an
// authority, and returns its reply as it came: what `openssl ts -verify` reads.
// It refuses a reply whose token is over other data, another nonce, or not
// signed by the certificate in it; whether that certificate is to be trusted is
// for the reader to judge.
func Stamp(ctx context.Context, url string, data []byte) ([]byte, error) {
	c := &client{agent: "altamga-conformance", timeout: 10 * time.Second}
	digest := sha256.Sum256(data)
	nonce := append([]byte{0x51}, random(15)...)
	q := stampQuery{version: 1, hash: pki.Algorithm{ID: pki.OIDSHA256}, digest: digest[:], nonce: nonce, certReq: true}
	x := c.ask(ctx, question{name: "a time stamp of the report", method: http.MethodPost, url: url, body: q.marshal(), header: map[string]string{"Content-Type": queryType, "Accept": replyType}})
	if x.Err != nil {
		return nil, x.Err
	}
	r, err := parseReply(x.Response)
	switch {
	case err != nil:
		return nil, err
	case r.tokenErr != nil:
		return nil, r.tokenErr
	case !r.granted() || r.tst == nil || len(r.tst.signers) == 0:
		return nil, fmt.Errorf("the time stamp is refused: %s", r.refusal())
	case !bytes.Equal(r.tst.info.imprint, q.imprint()) || !bytes.Equal(r.tst.info.nonce, nonce):
		return nil, errors.New("the time stamp is of something else")
	}
	signer := r.tst.signer()
	if signer == nil {
		return nil, errors.New("the time stamp does not bring its signer's certificate along")
	}
	one := check[*authority]{run: eachToken(tokenSignature)}
	if judged := try(ctx, one, &authority{file: &stampReply{x: x, tst: r.tst}}, time.Now()); judged.Verdict != Pass {
		return nil, fmt.Errorf("the time stamp is not valid: %v", judged.Details)
	}
	return x.Response, nil
}
