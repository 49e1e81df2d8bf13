package http1

// Read opens Request.read: how many octets a whole plain request has, and
// whether in begins with one, or is odd.
func (r *Request) Read(in []byte) (n int, isWhole, isOdd bool) {
	n, e := r.read(in)
	return n, e == whole, e == odd
}
