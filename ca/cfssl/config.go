package cfssl

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/altamga/altamga/ca"
)

// Config is what the interface is made of.
type Config struct {
	Authority *ca.Authority
	// Profiles are what cfssl's clients may name, at least one.
	Profiles []Profile
	// Clients may sign and revoke; nobody else may.
	Clients []Client
	// Log receives what operators should see; nil discards it.
	Log *slog.Logger
	// Observe counts outcomes by a short reason with the time they took; nil
	// counts nothing.
	Observe func(reason string, took time.Duration)
}

// Profile is a profile by the name that cfssl's clients know it by.
type Profile struct {
	// Name is never empty: a client that names no profile gets none.
	Name string
	// Terms say what the profile stands for here.
	Terms ca.Terms
}

// Client is somebody who may sign.
type Client struct {
	// Name stands in the journal and the audit log, with "cfssl:" before it.
	Name string
	// Key is the key of cfssl's standard authentication, at least 16 octets;
	// nil when the client has none.
	Key []byte
	// CommonName is that of the client's TLS certificate, which the listener
	// has verified; empty when the client has none.
	CommonName string
	// ClientIssuer and ClientProfile are what that certificate was issued by;
	// both empty when it comes from another authority.
	ClientIssuer, ClientProfile string
	// Profiles names what the client may ask for.
	Profiles []string
	// Revoke lets the client revoke certificates of its profiles.
	Revoke bool
}

// minKey is the least length of an authentication key in octets. cfssl's
// documents use 8.
const minKey = 16

// API answers cfssl's clients. Its methods may be called concurrently.
type API struct {
	config Config
	// grants has each profile by its name.
	grants map[string]*ca.Grant
}

// New checks the configuration and returns the interface.
func New(config Config) (*API, error) {
	config.Log = cmp.Or(config.Log, slog.New(slog.DiscardHandler))
	if config.Observe == nil {
		config.Observe = func(string, time.Duration) {}
	}
	if config.Authority == nil {
		return nil, errors.New("configuring cfssl: there is no authority")
	}
	a := &API{config: config, grants: map[string]*ca.Grant{}}
	var failed []error
	if len(config.Profiles) == 0 {
		failed = append(failed, errors.New("there is no profile"))
	}
	for _, profile := range config.Profiles {
		grant, err := config.Authority.Grant(profile.Terms)
		switch {
		case err != nil:
			failed = append(failed, fmt.Errorf("profile %q: %w", profile.Name, err))
		case profile.Name == "" || profile.Name == "default":
			failed = append(failed, fmt.Errorf("profile %q: the name is empty or cfssl's word for no profile", profile.Name))
		case a.grants[profile.Name] != nil:
			failed = append(failed, fmt.Errorf("profile %q stands twice", profile.Name))
		}
		a.grants[profile.Name] = grant
	}
	for i, client := range config.Clients {
		if err := a.checkClient(client, config.Clients[:i]); err != nil {
			failed = append(failed, fmt.Errorf("client %q: %w", client.Name, err))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return nil, fmt.Errorf("configuring cfssl: %w", err)
	}
	return a, nil
}

func (a *API) checkClient(client Client, before []Client) error {
	var failed []error
	switch {
	case client.Name == "":
		failed = append(failed, errors.New("has no name"))
	case client.Key == nil && client.CommonName == "":
		failed = append(failed, errors.New("has neither a key nor the common name of a TLS certificate"))
	case client.Key != nil && len(client.Key) < minKey:
		failed = append(failed, fmt.Errorf("has a key shorter than %d octets", minKey))
	}
	if client.ClientIssuer+client.ClientProfile != "" {
		if _, ok := a.config.Authority.Profile(client.ClientIssuer, client.ClientProfile); !ok || client.CommonName == "" {
			failed = append(failed, fmt.Errorf("names profile %q of issuer %q for its TLS certificate, which has no common name or is not one that is issued to others", client.ClientProfile, client.ClientIssuer))
		}
	}
	for _, name := range client.Profiles {
		if a.grants[name] == nil {
			failed = append(failed, fmt.Errorf("names the unknown profile %q", name))
		}
	}
	for _, other := range before {
		switch {
		case other.Name == client.Name:
			failed = append(failed, errors.New("stands twice"))
		case client.Key != nil && slices.Equal(other.Key, client.Key), client.CommonName != "" && other.CommonName == client.CommonName:
			failed = append(failed, fmt.Errorf("shares its key or common name with %q", other.Name))
		}
	}
	if client.CommonName != "" {
		for name, grant := range a.grants {
			// Else a certificate from here would open the door to this client's.
			if grant != nil && grant.Chooses("CN", client.CommonName) {
				failed = append(failed, fmt.Errorf("has a common name that anybody with profile %q may choose", name))
			}
		}
	}
	return errors.Join(failed...)
}
