// Package config reads configuration files: TOML, strictly. A key that no
// field takes, a value of the wrong type or out of range, and whatever the
// configuration's own Validate methods find are reported together, each with
// its file, line and key, and with a hint that says what to do.
//
// It refuses to guess: keys match in exact spelling, durations carry their
// unit, and there is no environment, include or default file that could change
// what the file says.
//
// The life of a file:
//
//	read whole, at most 1 MiB                                 load.go
//	parsed; a syntax error ends here                          load.go
//	located: each key's line and column                       locate.go
//	decoded field by field, collecting what is wrong          decode.go
//	Path values resolved against the file's folder            decode.go
//	validated, innermost sections first                       load.go
//	problems sorted by line and returned as one *Error        problem.go
package config
