package main

import (
	"crypto/rand"
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// caSecret makes a password for an EST account.
type caSecret struct{}

// Run prints the password for the client and its hash for the configuration.
// The password is random, so nobody guesses it.
func (c caSecret) Run(std streams) error {
	password := rand.Text()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return fmt.Errorf("hashing password: %w", err)
	}
	fmt.Fprintf(std.out, "password: %s\nsecret = %q\n", password, hash)
	return nil
}
