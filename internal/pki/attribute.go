package pki

import "encoding/asn1"

// AttributeKey returns the short key of an attribute type that names hold
// here ("CN", "serialNumber", …): the reverse of [AttributeType].
func AttributeKey(id asn1.ObjectIdentifier) (string, bool) {
	for _, rule := range attributeRules {
		if rule.oid.Equal(id) {
			return rule.key, true
		}
	}
	return "", false
}
