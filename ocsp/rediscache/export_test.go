package rediscache

var (
	Encode = encode
	Decode = decode
)

// Waiting returns how many questions wait to be put.
func (c *Cache) Waiting() int { return len(c.questions.waiting) }
