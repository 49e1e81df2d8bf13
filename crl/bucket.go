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
	"regexp"
	"runtime/debug"
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
	client := http.Client{Timeout: 5 * time.Minute}
	if config.Client != nil {
		client = *config.Client
	}
	// A signature holds for one address, and a PUT that is led elsewhere becomes a
	// GET that succeeds.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	config.Client = &client
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
	hash, err := l.hash()
	if err != nil {
		return err
	}
	r, err := b.request(ctx, http.MethodPut, l.Path, l.open())
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
	answer, code, err := b.send(r, hex.EncodeToString(hash))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return refused(answer, code)
	}
	// Others than the storage may have said yes, and so has storage that noticed
	// later that it could not.
	if there, err = b.number(ctx, l.Path); err == nil && there < l.Number {
		err = fmt.Errorf("the storage answered %s and does not hold the list", answer.Status)
	}
	return err
}

// hash returns the SHA-256 of the list's octets, after seeing that they are
// still those that were published.
func (l *List) hash() (sum []byte, err error) {
	defer onFault(debug.SetPanicOnFault(true), &err)
	hash, list := sha256.New(), l.whole()
	list.Reader = io.TeeReader(list.Reader, hash)
	defer list.close()
	r, err := NewReader(list)
	if err == nil {
		err = r.Skip()
	}
	var digest []byte
	if err == nil {
		digest, err = r.digest()
	}
	if err == nil && etagOf(digest, r.Signature) != l.etag {
		err = errors.New("it is not as it was published")
	}
	if err != nil {
		return nil, fmt.Errorf("the list was damaged: %w", err)
	}
	return hash.Sum(nil), nil
}

// refused says what the storage said, and what often is behind it.
func refused(answer *http.Response, code string) error {
	text := answer.Status
	if code != "" {
		text += " (" + code + ")"
	}
	switch {
	case answer.StatusCode/100 == 3:
		return fmt.Errorf("the storage answered %s: are endpoint and region those of the bucket?", text)
	case answer.StatusCode == http.StatusForbidden && answer.Request.Method == http.MethodHead:
		return fmt.Errorf("the storage answered %s: are the keys right, and may they list the bucket? otherwise storage says so of what is not there", text)
	}
	return fmt.Errorf("the storage answered %s", text)
}

// number returns the number of the list that the bucket holds; 0 when it holds
// none.
func (b *Bucket) number(ctx context.Context, path string) (uint64, error) {
	r, err := b.request(ctx, http.MethodHead, path, nil)
	if err != nil {
		return 0, err
	}
	nothing := sha256.Sum256(nil)
	answer, code, err := b.send(r, hex.EncodeToString(nothing[:]))
	switch {
	case err != nil:
		return 0, err
	case answer.StatusCode == http.StatusNotFound:
		return 0, nil
	case answer.StatusCode != http.StatusOK:
		return 0, refused(answer, code)
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

// errorCode is how storage names what is wrong.
var errorCode = regexp.MustCompile(`<Code>(\w{1,64})</Code>`)

// send signs and sends a request. It returns the code of an error, too.
func (b *Bucket) send(r *http.Request, payload string) (answer *http.Response, code string, err error) {
	r.Header.Set("X-Amz-Content-Sha256", payload)
	b.authorize(r, payload, time.Now())
	if answer, err = b.config.Client.Do(r); err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if found := errorCode.FindSubmatch(body); found != nil {
		code = string(found[1])
	}
	return answer, code, err
}
