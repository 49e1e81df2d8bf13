//go:build race

package ceremony_test

// raced says that the race detector watches, which makes the lints slow.
const raced = true
