package interop

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
)

// Officer may prepare, sign and publish; never the first two of one list.
type Officer struct {
	Name string
	// TokenHash is the SHA-256 hash of the officer's token.
	TokenHash [32]byte
}

// DeskConfig is what a [Desk] needs.
type DeskConfig struct {
	// Dir has the draft, the releases, and the link to the current one.
	Dir      string
	Officers []Officer
	// Certificate and Chain are those of the list's signer; Key opens its key
	// when a list is signed, and not before.
	Certificate *x509.Certificate
	Chain       []*x509.Certificate
	Key         func() (crypto.Signer, error)
	// Successors are further certificates that the list announces for itself, so
	// that readers know a new signer before it signs.
	Successors []*x509.Certificate
	// Audit takes down what is done before it is. If it fails, nothing is.
	Audit func(ctx context.Context, action string, attrs ...slog.Attr) error
	// Recorded reads back all that Audit took down, the oldest first, and fails
	// when the log is not whole. Who did what is what the log says: a folder that
	// says otherwise is refused.
	Recorded func(do func(Deed)) error
}

// Desk is where a national list is made by two officers: one prepares what the
// plan says, another one looks at it and signs exactly that, and it is
// published whole.
type Desk struct {
	config DeskConfig
	store  store
}

// Errors that a person at the desk gets.
var (
	// ErrToken: nobody has this token.
	ErrToken = errors.New("no officer has this token")
	// ErrBusy: another officer writes a draft or a record. Nothing was done.
	ErrBusy = errors.New("another officer is writing to the desk at this moment")
	// ErrSameOfficer: who prepared a list does not sign it, and who proposed a
	// partner does not accept it.
	ErrSameOfficer = errors.New("who prepared the list does not sign it, and who proposed a partner does not accept it: another officer has to")
)

// NewDesk checks the configuration.
func NewDesk(c DeskConfig) (*Desk, error) {
	var faults []error
	if len(c.Officers) < 2 {
		faults = append(faults, errors.New("a list is made by two officers at least"))
	}
	seen := map[string]bool{}
	for _, o := range c.Officers {
		// Another spelling of a name makes no second pair of eyes.
		name, token := "name "+strings.ToLower(o.Name), "token "+string(o.TokenHash[:])
		switch {
		case o.Name == "" || strings.ContainsFunc(o.Name, func(r rune) bool { return r <= ' ' || r > '~' }):
			faults = append(faults, fmt.Errorf("officer %q has a name that is not a word of printable ASCII", o.Name))
		case o.TokenHash == [32]byte{}:
			faults = append(faults, fmt.Errorf("officer %q has no token", o.Name))
		case seen[name] || seen[token]:
			faults = append(faults, fmt.Errorf("officer %q has a name or token that another one has", o.Name))
		}
		seen[name], seen[token] = true, true
	}
	if c.Certificate == nil || c.Key == nil || c.Audit == nil || c.Recorded == nil || c.Dir == "" {
		faults = append(faults, errors.New("the desk needs a folder, a signer and an audit log"))
	}
	return &Desk{config: c, store: store{c.Dir}}, errors.Join(faults...)
}

// signers are the certificates that the list names for itself.
func (d *Desk) signers() []*Certificate {
	all := []*Certificate{{Raw: d.config.Certificate.Raw}}
	for _, c := range d.config.Successors {
		all = append(all, &Certificate{Raw: c.Raw})
	}
	return all
}

// officer returns the name of who has the token.
func (d *Desk) officer(token string) (string, error) {
	hash := sha256.Sum256([]byte(token))
	for _, o := range d.config.Officers {
		if subtle.ConstantTimeCompare(hash[:], o.TokenHash[:]) == 1 {
			return o.Name, nil
		}
	}
	return "", ErrToken
}

// begin returns the name of who has the token, and keeps other officers from
// drafts and records until done is called: what is looked at is then what is
// changed.
func (d *Desk) begin(token string) (name string, done func(), err error) {
	if name, err = d.officer(token); err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(d.config.Dir, 0o755); err != nil {
		return "", nil, err
	}
	file, err := os.OpenFile(filepath.Join(d.config.Dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, err
	}
	if err := lock(file); err != nil {
		return "", nil, errors.Join(err, file.Close())
	}
	if err := d.settle(); err != nil {
		return "", nil, errors.Join(err, file.Close())
	}
	return name, func() { file.Close() }, nil
}

// Current returns the published list; [fs.ErrNotExist] when there is none.
func (d *Desk) Current() (*Verified, error) {
	release, err := d.store.current(d.signers())
	if err != nil {
		return nil, err
	}
	return release.list, nil
}

// Prepare writes the next list from the plan and puts it down for another
// officer. A draft that was there, signed or not, gives way.
func (d *Desk) Prepare(ctx context.Context, token string, plan *Plan, files CertificateFiles) (*Draft, []byte, error) {
	name, done, err := d.begin(token)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	draft, data, err := d.Rehearse(plan, files)
	if err != nil {
		return nil, nil, err
	}
	draft.PreparedBy = name
	if err := d.config.Audit(ctx, "list.prepare", slog.String("officer", name), slog.Uint64("sequence", draft.Sequence), slog.String("digest", draft.Digest),
		slog.String("follows", draft.Follows)); err != nil {
		return nil, nil, err
	}
	record, err := json.MarshalIndent(draft, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	return draft, data, d.store.putDraft(map[string][]byte{unsignedFile: data, draftFile: append(record, '\n')})
}

// Rehearse does all of Prepare but putting the draft down.
func (d *Desk) Rehearse(plan *Plan, files CertificateFiles) (*Draft, []byte, error) {
	now := time.Now()
	draft := &Draft{PreparedAt: now.UTC().Truncate(time.Second)}
	var before *List
	switch current, err := d.Current(); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, fmt.Errorf("reading the published list: %w", err)
	default:
		before, draft.Follows = current.List, hex.EncodeToString(current.Digest[:])
	}
	plan, files, err := d.withPartners(plan, files, before)
	if err != nil {
		return nil, nil, err
	}
	l, err := plan.Author(files, before, d.signers(), now)
	if err != nil {
		return nil, nil, err
	}
	if err := d.judge(l); err != nil {
		return nil, nil, err
	}
	if err := d.store.unused(l.Scheme.SequenceNumber); err != nil {
		return nil, nil, err
	}
	draft.tells(before, l)
	data := Write(l)
	draft.Digest = digestOf(data)
	return draft, data, nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// judge refuses a list that breaks a rule, and shows all of them.
func (d *Desk) judge(l *List) error {
	var faults []error
	for _, f := range Lint(l, d.config.Certificate) {
		faults = append(faults, errors.New(f.String()))
	}
	return errors.Join(faults...)
}

// Sign signs the draft of the digest: what the officer looked at. It has to be
// another officer than the one who prepared it, and the list before must still
// be the published one.
func (d *Desk) Sign(ctx context.Context, token, digest string) (*Draft, error) {
	name, done, err := d.begin(token)
	if err != nil {
		return nil, err
	}
	defer done()
	draft, data, err := d.Draft()
	if err != nil {
		return nil, err
	}
	if err := d.attest(draft); err != nil {
		return nil, err
	}
	now := time.Now()
	switch {
	case draft.PreparedBy == name:
		return nil, ErrSameOfficer
	case draft.Digest != digest:
		return nil, fmt.Errorf("the draft has the digest %s, and not %q: look at it again", draft.Digest, digest)
	case draft.SignedBy != "":
		return nil, fmt.Errorf("%s signed the draft already", draft.SignedBy)
	}
	if err := d.follows(draft); err != nil {
		return nil, err
	}
	if err := d.store.unused(draft.Sequence); err != nil {
		return nil, err
	}
	l, err := Read(data)
	if err != nil {
		return nil, err
	}
	if err := d.judge(l); err != nil {
		return nil, err
	}
	attrs := []slog.Attr{slog.String("officer", name), slog.String("prepared_by", draft.PreparedBy), slog.Uint64("sequence", draft.Sequence), slog.String("digest", digest)}
	if err := d.config.Audit(ctx, "list.sign", attrs...); err != nil {
		return nil, err
	}
	key, err := d.config.Key()
	if err != nil {
		return nil, fmt.Errorf("opening the signer's key: %w", err)
	}
	signed, err := xmlsec.Sign(xmlsec.Request{Document: data, Key: key, Certificate: d.config.Certificate, Chain: d.config.Chain, Time: now})
	if err != nil {
		return nil, err
	}
	draft.SignedBy, draft.SignedAt = name, now.UTC().Truncate(time.Second)
	record, err := json.MarshalIndent(draft, "", "  ")
	if err != nil {
		return nil, err
	}
	return draft, d.store.putDraft(map[string][]byte{unsignedFile: data, signedFile: signed, draftFile: append(record, '\n')})
}

// follows holds the draft to be the next after the published list.
func (d *Desk) follows(draft *Draft) error {
	published := ""
	current, err := d.Current()
	switch {
	case err == nil:
		published = hex.EncodeToString(current.Digest[:])
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the published list: %w", err)
	}
	if published != draft.Follows {
		return errors.New("another list was published since the draft was prepared: prepare it again")
	}
	return nil
}

// Publish puts the signed draft before the public: the list, its hash and its
// pages at once. Any officer may.
func (d *Desk) Publish(ctx context.Context, token string) (*Verified, error) {
	name, done, err := d.begin(token)
	if err != nil {
		return nil, err
	}
	defer done()
	draft, unsigned, err := d.Draft()
	if err != nil {
		return nil, err
	}
	signed, err := os.ReadFile(d.store.draft(signedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the draft is not signed yet: another officer has to sign it")
	}
	if err != nil {
		return nil, err
	}
	if err := d.attest(draft); err != nil {
		return nil, err
	}
	if draft.SignedBy == "" || draft.SignedBy == draft.PreparedBy {
		return nil, ErrSameOfficer
	}
	if err := d.follows(draft); err != nil {
		return nil, err
	}
	v, err := Verify(signed, d.signers()[:1], Terms{At: time.Now(), MinSequence: draft.Sequence})
	if err != nil {
		return nil, fmt.Errorf("the signed draft: %w", err)
	}
	if digestOf(Write(v.List)) != digestOf(unsigned) {
		return nil, errors.New("what is signed is not what was prepared: prepare it again")
	}
	release, err := newRelease(signed, v)
	if err != nil {
		return nil, err
	}
	attrs := []slog.Attr{slog.String("officer", name), slog.String("prepared_by", draft.PreparedBy), slog.String("signed_by", draft.SignedBy),
		slog.Uint64("sequence", draft.Sequence), slog.String("sha256", hex.EncodeToString(v.Digest[:]))}
	if err := d.config.Audit(ctx, "list.publish", attrs...); err != nil {
		return nil, err
	}
	if err := d.store.publish(release); err != nil {
		return nil, err
	}
	return v, errors.Join(os.RemoveAll(filepath.Join(d.config.Dir, "draft")), d.publishedPartners(ctx, name, v.List))
}
