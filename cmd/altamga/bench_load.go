package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// benchLoad asks a server for certificates and checks what comes. It shares the
// machine with the server, so it does little itself: what it sends was made
// beforehand, connections are kept, and of most answers it looks only whether
// the certificate holds the key that it was asked for.
type benchLoad struct {
	client *http.Client
	url    string
	issuer *x509.Certificate
	bodies []benchBody
}

// benchBody is a request with the public key that the answer must hold.
type benchBody struct{ body, public []byte }

// sampled is the share of answers that are checked whole: one in so many.
const sampled = 64

// mostRequests bounds the certification requests that are made beforehand. A run
// that is faster uses them again; the same holder may ask again with his key.
const mostRequests = 24_000

// newBenchLoad makes the certification requests for one measurement. body makes
// of the n-th of them what is sent.
func newBenchLoad(url string, connection *tls.Config, issuer *x509.Certificate, clients int, length time.Duration, body func(csr string, n int) any) (*benchLoad, error) {
	transport := &http.Transport{TLSClientConfig: connection, MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients, DisableCompression: true}
	l := &benchLoad{client: &http.Client{Timeout: time.Minute, Transport: transport}, url: url, issuer: issuer}
	for n := range min(mostRequests, clients+int(4000*length.Seconds())) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		if err != nil {
			return nil, err
		}
		sent, err := json.Marshal(body(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), n))
		if err != nil {
			return nil, err
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return nil, err
		}
		l.bodies = append(l.bodies, benchBody{sent, public})
	}
	return l, nil
}

// issue asks for one certificate and checks it.
func (l *benchLoad) issue(ctx context.Context, i int) error {
	sent := l.bodies[i%len(l.bodies)]
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(sent.body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the server answers %s: %.300s", response.Status, answer)
	}
	raw, err := certificateIn(answer)
	if err != nil {
		return err
	}
	if !bytes.Contains(raw, sent.public) {
		return errors.New("the certificate is for another key")
	}
	if i%sampled != 0 {
		return nil
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return err
	}
	return certificate.CheckSignatureFrom(l.issuer)
}

func (l *benchLoad) close() { l.client.CloseIdleConnections() }

// certificateIn finds the first certificate of an answer, which is PEM in a
// string of JSON.
func certificateIn(answer []byte) ([]byte, error) {
	_, rest, begins := bytes.Cut(answer, []byte("-----BEGIN CERTIFICATE-----"))
	encoded, _, ends := bytes.Cut(rest, []byte("-----END CERTIFICATE-----"))
	if !begins || !ends {
		return nil, fmt.Errorf("the answer holds no certificate: %.300s", answer)
	}
	encoded = bytes.ReplaceAll(encoded, []byte(`\n`), nil)
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(raw, encoded)
	return raw[:n], err
}
