package keys

// For the fuzz target of the encrypted form.
var (
	ParseSealed = func(encoded []byte) error { _, err := parseSealed(encoded); return err }
	Encrypt     = encrypt
)
