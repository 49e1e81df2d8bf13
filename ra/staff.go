package ra

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/altamga/altamga/internal/problem"
)

// Role is what a member of staff may do.
type Role string

const (
	// Operator takes in applications, verifies them and hands certificates out.
	Operator Role = "operator"
	// Officer of the centre approves and rejects.
	Officer Role = "officer"
	// Revocation officers carry out status requests around the clock.
	Revocation Role = "revocation"
)

// Person is a member of staff.
type Person struct {
	// Name is the short unique name that events and the audit log show. It is
	// an account name, not personal data of the kind that is kept sealed.
	Name  string
	Roles []Role
	// TokenHash is the SHA-256 hash of the person's bearer token. The token
	// should hold at least 128 random bits, since it is hashed only once.
	TokenHash [32]byte
	// FINHash is [Config.HashFIN] of the person's own FİN, so that nobody handles
	// his own case. Required.
	FINHash [32]byte
}

func (p *Person) has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(p.Roles, r) })
}

// indexStaff checks the staff and returns it by token hash.
func indexStaff(staff []Person) (map[[32]byte]*Person, error) {
	byToken := make(map[[32]byte]*Person, len(staff))
	names, fins := make(map[string]bool), make(map[[32]byte]bool)
	var problems []error
	for _, p := range staff {
		switch {
		case p.Name == "" || strings.ContainsFunc(p.Name, func(r rune) bool { return r <= ' ' || r > '~' }):
			problems = append(problems, fmt.Errorf("staff name %q is not a word of printable ASCII", p.Name))
		case names[strings.ToLower(p.Name)]:
			problems = append(problems, fmt.Errorf("staff name %q is there twice", p.Name))
		case p.TokenHash == [32]byte{}:
			problems = append(problems, fmt.Errorf("staff %s has no token hash", p.Name))
		case byToken[p.TokenHash] != nil:
			problems = append(problems, fmt.Errorf("staff %s has the token of %s", p.Name, byToken[p.TokenHash].Name))
		case len(p.Roles) == 0:
			problems = append(problems, fmt.Errorf("staff %s has no role", p.Name))
		case p.FINHash == [32]byte{}:
			problems = append(problems, fmt.Errorf("staff %s has no hash of a FİN, so that nothing keeps the person from his own case", p.Name))
		case fins[p.FINHash]:
			// Design rule G4: four eyes are those of two persons, not of two
			// accounts.
			problems = append(problems, fmt.Errorf("staff %s has the FİN of another; a person has one account", p.Name))
		}
		for _, role := range p.Roles {
			if role != Operator && role != Officer && role != Revocation {
				problems = append(problems, fmt.Errorf("staff %s has role %q, which is none of operator, officer, revocation", p.Name, role))
			}
		}
		names[strings.ToLower(p.Name)], fins[p.FINHash] = true, true
		p.Roles = slices.Clone(p.Roles)
		byToken[p.TokenHash] = &p
	}
	return byToken, errors.Join(problems...)
}

// person returns the member of staff with the name, nil when there is none now.
func (o *Office) person(name string) *Person {
	for _, p := range o.staff {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// authenticate returns the person whose token the request bears.
func (o *Office) authenticate(r *http.Request) (*Person, *problem.Details) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, problem.New(http.StatusUnauthorized, "unauthenticated", "the request needs an Authorization header with the bearer token of a member of staff")
	}
	// The look-up is by the token's hash, so its timing tells nothing of how
	// near a guess was.
	person, ok := o.staff[sha256.Sum256([]byte(strings.TrimSpace(token)))]
	if !ok {
		return nil, problem.New(http.StatusUnauthorized, "unauthenticated", "the bearer token is not that of a member of staff")
	}
	return person, nil
}
