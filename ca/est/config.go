package est

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/altamga/altamga/ca"
)

// Config is what the interface is made of.
type Config struct {
	Authority *ca.Authority
	// Labels are the services offered, at least one. The first one is also what
	// a path without a label means.
	Labels []Label
	// Accounts may enrol; nobody else may. Renewing needs no account: the
	// certificate that is renewed speaks for its holder.
	Accounts []Account
	// Log receives what operators should see; nil discards it.
	Log *slog.Logger
	// Observe counts outcomes by a short reason with the time they took; nil
	// counts nothing.
	Observe func(reason string, took time.Duration)
}

// Label is one service: the additional path segment of RFC 7030, Section
// 3.2.2.
type Label struct {
	// Name is the path segment.
	Name string
	// Issuer issues, and its chain is what /cacerts answers.
	Issuer string
	// Profiles may be enrolled for and renewed here.
	Profiles []string
	// RequireLink refuses requests that are not linked to their TLS connection
	// (RFC 7030, Section 3.5).
	RequireLink bool
	// Approval makes enrolling wait until a person has agreed: the client is
	// told to come again. Renewing does not wait.
	Approval bool
}

// Account is a client, or a group of clients that share its terms.
type Account struct {
	// Name is the user name for HTTP Basic, and stands in the journal and the
	// audit log with "est:" before it.
	Name string
	// Secret is the bcrypt hash of the password; nil when the account has none.
	Secret []byte
	// CommonName is that of the client's TLS certificate, which the listener
	// has verified; empty when the account has none. An account with both
	// needs both.
	CommonName string
	// ClientIssuer and ClientProfile are what that certificate was issued by;
	// both empty when it comes from another authority.
	ClientIssuer, ClientProfile string
	// Terms say, by label, what the account may get a certificate for.
	Terms map[string]ca.Terms
}

// labelName keeps labels apart from operations and from anything that a URL
// would have to escape.
var labelName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Cost of a bcrypt hash: below it guessing is cheap, above it asking is an
// attack.
const minCost, maxCost = 10, 14

// nobody is the hash, of the least cost, of a random password that was thrown
// away.
const nobody = "$2a$10$bHTcpUVLrkNRvioHu3lib.f44wCJQxz0SAvwHjmlJ9N3lIL2i06eO"

// API answers EST clients. Its methods may be called concurrently.
type API struct {
	config   Config
	accounts map[string]*account
	// secrets bounds how many passwords are compared at once.
	secrets chan struct{}
	// nobody is the hash of a password that nobody has.
	nobody []byte
}

// account is an Account with its terms checked.
type account struct {
	Account
	grants map[string]*ca.Grant
}

// New checks the configuration and returns the interface.
func New(config Config) (*API, error) {
	config.Log = cmp.Or(config.Log, slog.New(slog.DiscardHandler))
	if config.Observe == nil {
		config.Observe = func(string, time.Duration) {}
	}
	if config.Authority == nil {
		return nil, errors.New("configuring est: there is no authority")
	}
	a := &API{config: config, accounts: map[string]*account{}, secrets: make(chan struct{}, 2), nobody: []byte(nobody)}
	var failed []error
	if len(config.Labels) == 0 {
		failed = append(failed, errors.New("there is no label"))
	}
	for i, label := range config.Labels {
		if err := a.checkLabel(label, config.Labels[:i]); err != nil {
			failed = append(failed, fmt.Errorf("label %q: %w", label.Name, err))
		}
	}
	for _, given := range config.Accounts {
		built, err := a.newAccount(given)
		if err != nil {
			failed = append(failed, fmt.Errorf("account %q: %w", given.Name, err))
		}
		a.accounts[given.Name] = built
	}
	if err := errors.Join(append(failed, a.checkImpersonation())...); err != nil {
		return nil, fmt.Errorf("configuring est: %w", err)
	}
	cost := minCost
	for _, account := range a.accounts {
		if c, err := bcrypt.Cost(account.Secret); err == nil {
			cost = max(cost, c)
		}
	}
	if cost > minCost {
		var err error
		if a.nobody, err = bcrypt.GenerateFromPassword([]byte(rand.Text()), cost); err != nil {
			return nil, fmt.Errorf("configuring est: %w", err)
		}
	}
	return a, nil
}

func (a *API) checkLabel(label Label, before []Label) error {
	var failed []error
	_, operation := operations[label.Name]
	switch {
	case !labelName.MatchString(label.Name):
		failed = append(failed, errors.New("the name is not 1 to 64 letters, digits, dots, hyphens and underscores"))
	case operation:
		// RFC 7030, Section 3.2.2: a label is not the same as an operation.
		failed = append(failed, errors.New("the name is that of an operation (RFC 7030, Section 3.2.2)"))
	case slices.ContainsFunc(before, func(other Label) bool { return other.Name == label.Name }):
		failed = append(failed, errors.New("stands twice"))
	}
	if _, ok := a.config.Authority.Chain(label.Issuer); !ok {
		failed = append(failed, fmt.Errorf("issuer %q is unknown or has no certificate", label.Issuer))
	}
	if label.Approval && !a.config.Authority.Approves() {
		failed = append(failed, errors.New("asks for approval, and the authority has nobody to ask"))
	}
	if len(label.Profiles) == 0 {
		failed = append(failed, errors.New("there is no profile"))
	}
	for _, profile := range label.Profiles {
		if _, ok := a.config.Authority.Profile(label.Issuer, profile); !ok {
			failed = append(failed, fmt.Errorf("profile %q is not one that issuer %q issues to others", profile, label.Issuer))
		}
	}
	return errors.Join(failed...)
}

func (a *API) newAccount(given Account) (*account, error) {
	built := &account{Account: given, grants: map[string]*ca.Grant{}}
	var failed []error
	switch {
	case given.Name == "":
		failed = append(failed, errors.New("has no name"))
	case a.accounts[given.Name] != nil:
		failed = append(failed, errors.New("stands twice"))
	case given.Secret == nil && given.CommonName == "":
		failed = append(failed, errors.New("has neither a secret nor the common name of a TLS certificate"))
	}
	if given.ClientIssuer+given.ClientProfile != "" {
		if _, ok := a.config.Authority.Profile(given.ClientIssuer, given.ClientProfile); !ok || given.CommonName == "" {
			failed = append(failed, fmt.Errorf("names profile %q of issuer %q for its TLS certificate, which has no common name or is not one that is issued to others", given.ClientProfile, given.ClientIssuer))
		}
	}
	if given.Secret != nil {
		if cost, err := bcrypt.Cost(given.Secret); err != nil || cost < minCost || cost > maxCost {
			failed = append(failed, fmt.Errorf("has a secret that is not a bcrypt hash of cost %d to %d", minCost, maxCost))
		}
	}
	for _, other := range a.accounts {
		if other != nil && given.CommonName != "" && other.CommonName == given.CommonName {
			failed = append(failed, fmt.Errorf("shares its common name with %q", other.Name))
		}
	}
	if len(given.Terms) == 0 {
		failed = append(failed, errors.New("has no terms, so it may get nothing"))
	}
	for name, terms := range given.Terms {
		label := a.label(name)
		if label == nil {
			failed = append(failed, fmt.Errorf("names the unknown label %q", name))
			continue
		}
		if terms.Issuer != label.Issuer || !slices.Contains(label.Profiles, terms.Profile) {
			failed = append(failed, fmt.Errorf("profile %q of issuer %q is not one of label %q", terms.Profile, terms.Issuer, name))
			continue
		}
		grant, err := a.config.Authority.Grant(terms)
		if err != nil {
			failed = append(failed, fmt.Errorf("label %q: %w", name, err))
		}
		built.grants[name] = grant
	}
	return built, errors.Join(failed...)
}

// checkImpersonation refuses accounts whose common name others may choose for
// their certificates: who got such a certificate would then be that account.
func (a *API) checkImpersonation() error {
	var failed []error
	for _, victim := range a.accounts {
		for _, other := range a.accounts {
			for label, grant := range other.grants {
				if victim.CommonName != "" && grant != nil && grant.Chooses("CN", victim.CommonName) {
					failed = append(failed, fmt.Errorf("account %q may choose the common name of account %q under label %q", other.Name, victim.Name, label))
				}
			}
		}
	}
	return errors.Join(failed...)
}

// label returns the label of that name, nil when there is none. Without a name
// it is the first one.
func (a *API) label(name string) *Label {
	if name == "" && len(a.config.Labels) > 0 {
		return &a.config.Labels[0]
	}
	for i := range a.config.Labels {
		if a.config.Labels[i].Name == name {
			return &a.config.Labels[i]
		}
	}
	return nil
}
