package conformance

// OnlyPublic opens onlyPublic.
func OnlyPublic(address string) error { return onlyPublic("tcp", address, nil) }
