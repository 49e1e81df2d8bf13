package gost

import (
	"encoding/binary"
	"encoding/hex"
)

// block is a vector of 512 bits (RFC 6986, Section 4.2), the least significant
// octet first: the order that the octets of a message have.
type block [64]byte

func (b block) xor(other *block) block {
	for i := range b {
		b[i] ^= other[i]
	}
	return b
}

// add adds in the ring of residues modulo 2^512.
func (b *block) add(other *block) {
	carry := 0
	for i := range b {
		sum := int(b[i]) + int(other[i]) + carry
		b[i], carry = byte(sum), sum>>8
	}
}

// lps applies substitution, permutation and linear transformation (RFC 6986,
// Section 7).
func (b block) lps() (out block) {
	var permuted block
	for i := range permuted {
		// RFC 6986, Section 6.3: Tau transposes a square of 8 by 8 octets.
		permuted[i] = substitution[b[i%8*8+i/8]]
	}
	for i := 0; i < len(out); i += 8 {
		word, product := binary.LittleEndian.Uint64(permuted[i:]), uint64(0)
		for bit := 0; word != 0; bit, word = bit+1, word>>1 {
			if word&1 == 1 {
				product ^= matrix[63-bit]
			}
		}
		binary.LittleEndian.PutUint64(out[i:], product)
	}
	return out
}

// iteration are the constants as blocks.
var iteration = func() (all [12]block) {
	for i, digits := range constants {
		octets, err := hex.DecodeString(digits)
		if err != nil || len(octets) != 64 {
			panic("gost: the constants are damaged")
		}
		for j := range octets {
			all[i][63-j] = octets[j]
		}
	}
	return all
}()

// compress is g_N (RFC 6986, Section 8).
func compress(h, m, n *block) block {
	key := h.xor(n).lps()
	state := *m
	for i := range iteration {
		state = state.xor(&key).lps()
		key = key.xor(&iteration[i]).lps()
	}
	state = state.xor(&key)
	return state.xor(h).xor(m)
}

// streebog computes the hash (RFC 6986, Section 9).
func streebog(iv byte, message []byte) block {
	var h, n, sum, zero block
	for i := range h {
		h[i] = iv
	}
	step := func(octets []byte, length int) {
		var m, bits block
		copy(m[:], octets)
		if length < len(m) {
			m[length] = 1
		}
		h = compress(&h, &m, &n)
		binary.LittleEndian.PutUint16(bits[:], uint16(8*length))
		n.add(&bits)
		sum.add(&m)
	}
	for ; len(message) >= len(h); message = message[len(h):] {
		step(message[:len(h)], len(h))
	}
	step(message, len(message))
	h = compress(&h, &n, &zero)
	return compress(&h, &sum, &zero)
}

// Sum512 is the hash of 512 bits.
func Sum512(message []byte) [64]byte { return streebog(0, message) }

// Sum256 is the hash of 256 bits.
func Sum256(message []byte) [32]byte {
	h := streebog(1, message)
	return [32]byte(h[32:])
}
