package ntp

// For tests of the package from outside.
var (
	StampOf = stampOf
	TimeOf  = timeOf
)

// Digest authenticates a packet.
func (k Key) Digest(packet []byte) ([]byte, error) { return k.digest(packet) }

// AppendMAC authenticates a packet that is sent.
func (k Key) AppendMAC(packet []byte) ([]byte, error) { return k.appendMAC(packet) }
