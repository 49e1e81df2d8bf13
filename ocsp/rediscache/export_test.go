package rediscache

var (
	Encode = encode
	Decode = decode
)
