package ntp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// maxDigest is the longest authentication code behind a key's number that a
// server takes for one and not for an extension field (RFC 7822, Section 3):
// longer ones are cut.
const maxDigest = 20

// Key is a symmetric key that a server shares with its clients.
type Key struct {
	// ID is the key's number on the server, 1 to 65534.
	ID uint32
	// Algorithm is "SHA1", "SHA256", "SHA512", "AES128" or "AES256".
	Algorithm string
	Secret    []byte
}

// check reports what is wrong with a key.
func (k Key) check() error {
	if k.ID < 1 || k.ID > 65534 {
		return fmt.Errorf("key %d: a number is between 1 and 65534", k.ID)
	}
	sizes := map[string][2]int{"SHA1": {8, 64}, "SHA256": {8, 64}, "SHA512": {8, 128}, "AES128": {16, 16}, "AES256": {32, 32}}
	size, ok := sizes[k.Algorithm]
	if !ok {
		return fmt.Errorf("key %d: %s is none of SHA1, SHA256, SHA512, AES128, AES256", k.ID, k.Algorithm)
	}
	if len(k.Secret) < size[0] || len(k.Secret) > size[1] {
		return fmt.Errorf("key %d: a secret for %s has %d to %d octets, not %d", k.ID, k.Algorithm, size[0], size[1], len(k.Secret))
	}
	return nil
}

// digest authenticates a packet.
//
// RFC 5905, Section 7.3: the hash of the key and the packet behind it. RFC 8573,
// Section 2: AES-CMAC of the packet.
func (k Key) digest(packet []byte) ([]byte, error) {
	keyed := append(append([]byte(nil), k.Secret...), packet...)
	switch k.Algorithm {
	case "SHA1":
		sum := sha1.Sum(keyed)
		return sum[:], nil
	case "SHA256":
		sum := sha256.Sum256(keyed)
		return sum[:maxDigest], nil
	case "SHA512":
		sum := sha512.Sum512(keyed)
		return sum[:maxDigest], nil
	}
	block, err := aes.NewCipher(k.Secret)
	if err != nil {
		return nil, err
	}
	return cmac(block, packet), nil
}

// appendMAC authenticates a packet that is sent.
func (k Key) appendMAC(packet []byte) ([]byte, error) {
	digest, err := k.digest(packet)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(packet, k.ID), digest...), nil
}

// verify reports whether mac, number and code, is this key's over the packet.
func (k Key) verify(packet, mac []byte) bool {
	if len(mac) < 4 || binary.BigEndian.Uint32(mac) != k.ID {
		return false
	}
	want, err := k.digest(packet)
	return err == nil && subtle.ConstantTimeCompare(mac[4:], want) == 1
}

// cmac is AES-CMAC (RFC 4493, Section 2.4).
func cmac(block cipher.Block, message []byte) []byte {
	const size = aes.BlockSize
	var subkey [size]byte
	block.Encrypt(subkey[:], subkey[:])
	double(&subkey)
	whole := len(message) > 0 && len(message)%size == 0
	if !whole {
		double(&subkey)
		message = append(append([]byte(nil), message...), 0x80)
		for len(message)%size != 0 {
			message = append(message, 0)
		}
	}
	var sum [size]byte
	for len(message) > 0 {
		subtle.XORBytes(sum[:], sum[:], message[:size])
		if len(message) == size {
			subtle.XORBytes(sum[:], sum[:], subkey[:])
		}
		block.Encrypt(sum[:], sum[:])
		message = message[size:]
	}
	return sum[:]
}

// double multiplies by x in the field of RFC 4493, Section 2.3.
func double(b *[aes.BlockSize]byte) {
	carry := byte(0)
	for i := len(b) - 1; i >= 0; i-- {
		b[i], carry = b[i]<<1|carry, b[i]>>7
	}
	b[len(b)-1] ^= 0x87 * carry
}
