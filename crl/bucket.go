package crl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// BucketConfig says where in S3-compatible storage lists are published.
type BucketConfig struct {
	// Endpoint is the service's address; the bucket's name is the first element of
	// paths below it.
	Endpoint string
	Bucket   string
	// Prefix is put before the lists' paths; it ends in a slash or is empty.
	Prefix string
	Region string
	// AccessKey and SecretKey sign the requests.
	AccessKey, SecretKey string
	// MaxAge is how long caches may keep a list; 0 means [DefaultMaxAge].
	MaxAge time.Duration
	// Client sends the requests; nil is one of its own.
	Client *http.Client
}

// Bucket is S3-compatible storage as a [Mirror].
type Bucket struct {
	config   BucketConfig
	endpoint *url.URL
	credentials
}

// NewBucket checks the configuration. It asks nobody.
func NewBucket(config BucketConfig) (*Bucket, error) {
	endpoint, err := url.Parse(config.Endpoint)
	switch {
	case err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" || strings.Trim(endpoint.Path, "/") != "":
		return nil, fmt.Errorf("crl: the endpoint %q is not the http or https URL of a host", config.Endpoint)
	case config.Bucket == "" || strings.Contains(config.Bucket, "/"):
		return nil, errors.New("crl: the bucket has no name, or one with a slash")
	case config.Region == "" || config.AccessKey == "" || config.SecretKey == "":
		return nil, errors.New("crl: the bucket's region, access key or secret key is missing")
	case config.Prefix != "" && (!strings.HasSuffix(config.Prefix, "/") || strings.HasPrefix(config.Prefix, "/")):
		return nil, fmt.Errorf("crl: the prefix %q does not end in a slash, or begins with one", config.Prefix)
	case config.MaxAge < 0:
		return nil, errors.New("crl: the bucket's max-age is negative")
	}
	if config.MaxAge == 0 {
		config.MaxAge = DefaultMaxAge
	}
	if config.Client == nil {
		config.Client = &http.Client{Timeout: 5 * time.Minute}
	}
	return &Bucket{config: config, endpoint: endpoint, credentials: credentials{
		accessKey: config.AccessKey, secretKey: config.SecretKey, region: config.Region, service: "s3",
	}}, nil
}

// String names the bucket without its secret.
func (b *Bucket) String() string {
	return b.endpoint.Scheme + "://" + b.endpoint.Host + "/" + b.config.Bucket + "/" + b.config.Prefix
}

// numberHeader is how an object carries the number of its list.
const numberHeader = "X-Amz-Meta-Crl-Number"

// Put stores the list under its path. The storage replaces an object in one
// piece; a list of a higher number stays, and the same one is not sent twice.
func (b *Bucket) Put(ctx context.Context, l *List) error {
	there, err := b.number(ctx, l.Path)
	if err != nil {
		return err
	}
	if there > l.Number {
		return fmt.Errorf("the bucket holds the number %d already, from another publisher; %d is not put there", there, l.Number)
	}
	if there == l.Number {
		return nil
	}
	content := l.open()
	hash := sha256.New()
	if _, err := io.Copy(hash, content); err != nil {
		return err
	}
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r, err := b.request(ctx, http.MethodPut, l.Path, content)
	if err != nil {
		return err
	}
	r.ContentLength = l.Size
	r.Header.Set("Content-Type", "application/pkix-crl")
	// RFC 9111, Section 5.2.2: the storage does not know of nextUpdate, so the
	// lifetime is short enough at any time.
	age := max(0, min(b.config.MaxAge, time.Until(l.NextUpdate)/2))
	r.Header.Set("Cache-Control", fmt.Sprintf("max-age=%d, public, no-transform, must-revalidate", age/time.Second))
	r.Header.Set(numberHeader, strconv.FormatUint(l.Number, 10))
	answer, err := b.send(r, hex.EncodeToString(hash.Sum(nil)))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the storage answered %s", answer.Status)
	}
	return nil
}

// number returns the number of the list that the bucket holds; 0 when it holds
// none.
func (b *Bucket) number(ctx context.Context, path string) (uint64, error) {
	r, err := b.request(ctx, http.MethodHead, path, nil)
	if err != nil {
		return 0, err
	}
	nothing := sha256.Sum256(nil)
	answer, err := b.send(r, hex.EncodeToString(nothing[:]))
	switch {
	case err != nil:
		return 0, err
	case answer.StatusCode == http.StatusNotFound:
		return 0, nil
	case answer.StatusCode != http.StatusOK:
		return 0, fmt.Errorf("the storage answered %s", answer.Status)
	}
	text := answer.Header.Get(numberHeader)
	if text == "" {
		// Somebody put the file there by hand.
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the storage says that the list's number is %q", text)
	}
	return n, nil
}

func (b *Bucket) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	key := "/" + b.config.Bucket + "/" + b.config.Prefix + path
	r, err := http.NewRequestWithContext(ctx, method, b.endpoint.Scheme+"://"+b.endpoint.Host, body)
	if err != nil {
		return nil, err
	}
	r.URL.Path, r.URL.RawPath = key, escape(key, true)
	return r, nil
}

// send signs and sends a request and reads the answer's body away.
func (b *Bucket) send(r *http.Request, payload string) (*http.Response, error) {
	r.Header.Set("X-Amz-Content-Sha256", payload)
	b.authorize(r, payload, time.Now())
	answer, err := b.config.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answer, err
}
