package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/altamga/altamga/internal/journal"
	"github.com/altamga/altamga/internal/problem"
)

// person is an applicant of the demonstration.
type person struct {
	GivenName string `json:"given_name"`
	Surname   string `json:"surname"`
	FIN       string `json:"fin"`
}

// citizens makes up the people of one tour. Their surnames say that they do not
// exist, and each tour gives them new numbers: one that was interrupted may
// have left applications open.
func citizens() [3]person {
	people := [3]person{{"Aygün", "Nümunəyeva", ""}, {"İlqar", "Sınaqov", ""}, {"Çinarə", "Yoxlamalı", ""}}
	// A FİN has no letters I and O. Text is in base 32, of A-Z and 2-7.
	digits := strings.NewReplacer("I", "8", "O", "9").Replace(rand.Text())
	for i := range people {
		people[i].FIN = "D" + digits[6*i:6*i+6]
	}
	return people
}

// enrolled is a person with certificates.
type enrolled struct {
	signature, authentication *x509.Certificate
	// key is the one of the signature certificate.
	key                    *ecdsa.PrivateKey
	signaturePEM, chainPEM string
	keyPEM                 []byte
}

// desk is a member of staff at the registration authority's interface.
type desk struct {
	http  *http.Client
	base  string
	token string
}

// post sends a JSON request and reads the answer into out, which may be nil.
// What the authority refuses comes back as a *problem.Details.
func (d desk) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+d.token)
	response, err := d.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		var refusal problem.Details
		if err := json.Unmarshal(answer, &refusal); err != nil || refusal.Code == "" {
			return fmt.Errorf("%s answered %s without a problem document", path, response.Status)
		}
		return &refusal
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// submit has the operator take in an application.
func (t *tour) submit(ctx context.Context, who person) (id string, err error) {
	var application struct {
		ID    string `json:"id"`
		State string `json:"state"`
	}
	err = t.operator.post(ctx, "/v1/applications", struct {
		person
		Category string `json:"category"`
		Email    string `json:"email"`
		Phone    string `json:"phone"`
		Consent  bool   `json:"search_consent"`
	}{who, "citizen", "demo@altamga.example", "+994500000000", true}, &application)
	if err == nil && application.State != "submitted" {
		err = fmt.Errorf("the application is %s, not submitted", application.State)
	}
	return application.ID, err
}

// verify has the operator confirm documents and identity.
func (t *tour) verify(ctx context.Context, id string) error {
	return t.operator.post(ctx, "/v1/applications/"+id+"/verify", map[string]string{"docs": "complete", "identity": "matched"}, nil)
}

// approve has the officer approve.
func (t *tour) approve(ctx context.Context, id string) error {
	return t.officer.post(ctx, "/v1/applications/"+id+"/approve", struct{}{}, nil)
}

// collect makes the person's keys and has the operator hand in the requests.
func (t *tour) collect(ctx context.Context, id string) (*enrolled, error) {
	key, signatureCSR, err := request()
	if err != nil {
		return nil, err
	}
	_, authenticationCSR, err := request()
	if err != nil {
		return nil, err
	}
	var answer struct {
		State        string `json:"state"`
		Chain        string `json:"chain"`
		Certificates []struct {
			Kind        string `json:"kind"`
			Certificate string `json:"certificate"`
		} `json:"certificates"`
	}
	if err := t.operator.post(ctx, "/v1/applications/"+id+"/issue", map[string]string{"csr_signature": signatureCSR, "csr_authentication": authenticationCSR}, &answer); err != nil {
		return nil, err
	}
	if answer.State != "completed" || len(answer.Certificates) != 2 {
		return nil, fmt.Errorf("the application is %s with %d certificates, not completed with 2", answer.State, len(answer.Certificates))
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	e := &enrolled{key: key, chainPEM: answer.Chain, keyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
	for _, c := range answer.Certificates {
		block, _ := pem.Decode([]byte(c.Certificate))
		if block == nil {
			return nil, errors.New("the certificate is not PEM")
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		switch c.Kind {
		case "signature":
			e.signature, e.signaturePEM = certificate, c.Certificate
		case "authentication":
			e.authentication = certificate
		}
	}
	if e.signature == nil || e.authentication == nil {
		return nil, errors.New("one of the two certificates is missing")
	}
	if !key.PublicKey.Equal(e.signature.PublicKey) {
		return nil, errors.New("the signature certificate has another key")
	}
	return e, nil
}

// enrol takes a person from application to certificates.
func (t *tour) enrol(ctx context.Context, who person) (*enrolled, error) {
	id, err := t.submit(ctx, who)
	if err != nil {
		return nil, err
	}
	if err := t.verify(ctx, id); err != nil {
		return nil, err
	}
	if err := t.approve(ctx, id); err != nil {
		return nil, err
	}
	return t.collect(ctx, id)
}

// change has a member of staff suspend, restore or revoke a person's
// certificates.
func (t *tour) change(ctx context.Context, by desk, who *enrolled, action string, fields map[string]string) error {
	serial := journal.SerialOf(who.signature.SerialNumber)
	var answer struct {
		State string `json:"state"`
	}
	if err := by.post(ctx, "/v1/certificates/"+string(serial)+"/"+action, fields, &answer); err != nil {
		return err
	}
	if answer.State != "executed" {
		return fmt.Errorf("the request to %s is %s, not executed", action, answer.State)
	}
	return nil
}

// request makes a P-256 key and a certification request for it, in PEM.
func request() (*ecdsa.PrivateKey, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, "", err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, "", err
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}
