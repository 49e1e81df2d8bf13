//go:build !race

package main

// raced says that the race detector watches, which makes signing slow.
const raced = false
