package est

var (
	CertsOnly     = certsOnly
	CSRAttributes = csrAttributes
	DecodeBase64  = decodeBase64
)
