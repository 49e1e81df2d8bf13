package xmlsec_test

import (
	"crypto/elliptic"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
)

// Each row turns a signed document into one that a careless verifier takes, and
// says what it is refused for.
func TestAttacks(t *testing.T) {
	good, c := signed(t)
	if _, err := xmlsec.Verify([]byte(good), root, pin(c), xmlsec.Limits{}); err != nil {
		t.Fatal(err)
	}
	signature := regexp.MustCompile(`(?s)<ds:Signature .*</ds:Signature>`).FindString(good)
	bare := strings.Replace(good, signature, "", 1)
	list := regexp.MustCompile(`(?s)<list .*</list>`)
	original := list.FindString(good)
	evil := func(inside string) string {
		return `<list xmlns="urn:test" Id="evil"><entry>evil</entry>` + inside + `</list>`
	}
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the document has no %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	value := regexp.MustCompile(`<ds:SignatureValue>(.)`).FindStringSubmatch(good)
	for _, row := range []struct {
		name, document string
		want           xmlsec.Reason
	}{
		{"the text is changed", replace("möhür", "mohur"), xmlsec.Digest},
		{"an attribute is changed", replace(`b:a="2"`, `b:a="3"`), xmlsec.Digest},
		{"an element is added", replace("<empty/>", "<empty/><empty/>"), xmlsec.Digest},
		{"the signature is taken away", bare, xmlsec.Unsigned},
		{"the signature stands twice", replace(signature, signature+signature), xmlsec.Form},
		{"a second signature, empty", replace(signature, signature+`<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>`), xmlsec.Form},
		{"the signature is hidden deeper", strings.Replace(bare, "<empty/>", "<empty>"+signature+"</empty>", 1), xmlsec.Form},
		{"the original wrapped beside", evil("<old>" + original + "</old>"), xmlsec.Form},
		{"the original wrapped, signature moved up", evil("<old>" + list.FindString(bare) + "</old>" + signature), xmlsec.Digest},
		{"the original in the signature's Object", evil(strings.Replace(signature, "</ds:Signature>", "<ds:Object>"+list.FindString(bare)+"</ds:Object></ds:Signature>", 1)), xmlsec.Form},
		{"a reference by Id to the original inside", evil(strings.Replace(signature, `URI=""`, `URI="#whole"`, 1) + "<old>" + list.FindString(bare) + "</old>"), xmlsec.Form},
		{"the Id of the properties twice", replace("<empty/>", `<empty Id="`+regexp.MustCompile(`Id="(properties-[0-9a-f]+)"`).FindStringSubmatch(good)[1]+`"/>`), xmlsec.Form},
		{"the Id twice, another spelling", replace("<empty/>", `<empty ID="whole"/>`), xmlsec.Form},
		{"other properties in front", replace("<xades:SignedProperties ", `<xades:SignedProperties xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/><xades:SignedProperties `), xmlsec.Form},
		{"the signing time is changed", regexp.MustCompile(`SigningTime>20..`).ReplaceAllString(good, "SigningTime>1999"), xmlsec.Digest},
		{"unsigned properties", replace("</xades:SignedProperties>", "</xades:SignedProperties><xades:UnsignedProperties/>"), xmlsec.Form},
		{"an XSLT transform", replace(`<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>`), xmlsec.Algorithm},
		{"an XPath transform more", replace(`</ds:Transforms>`, `<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"/></ds:Transforms>`), xmlsec.Algorithm},
		{"no enveloped-signature transform", replace(`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`, ""), xmlsec.Algorithm},
		{"canonicalisation with comments", replace(`Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"`, `Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#WithComments"`), xmlsec.Algorithm},
		{"prefixes without end", replace(`c14n#"/><ds:SignatureMethod`, `c14n#"><InclusiveNamespaces xmlns="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="`+strings.Repeat("a ", 17)+`"/></ds:CanonicalizationMethod><ds:SignatureMethod`), xmlsec.Algorithm},
		{"SHA-1 for the document", replace(`<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/>`, `<ds:DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>`), xmlsec.Algorithm},
		{"RSA with SHA-1", replace("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"), xmlsec.Algorithm},
		{"HMAC", replace("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"), xmlsec.Algorithm},
		{"another method than the key's", replace("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"), xmlsec.Algorithm},
		{"a parameter of the method", replace(`#ecdsa-sha256"/>`, `#ecdsa-sha256"><ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>`), xmlsec.Algorithm},
		{"a third reference", replace("</ds:SignedInfo>", regexp.MustCompile(`(?s)<ds:Reference Id.*?</ds:Reference>`).FindString(good)+"</ds:SignedInfo>"), xmlsec.Form},
		{"a manifest", replace(`Type="http://uri.etsi.org/01903#SignedProperties"`, `Type="http://www.w3.org/2000/09/xmldsig#Manifest"`), xmlsec.Form},
		{"a reference elsewhere", replace(`URI=""`, `URI="http://127.0.0.1/list.xml"`), xmlsec.Form},
		{"the signature value is changed", replace(value[0], "<ds:SignatureValue>"+map[bool]string{true: "B", false: "A"}[value[1] == "A"]), xmlsec.Value},
		{"an empty signature value", regexp.MustCompile(`<ds:SignatureValue>[^<]*`).ReplaceAllString(good, "<ds:SignatureValue>"), xmlsec.Value},
		{"no KeyInfo", regexp.MustCompile(`<ds:KeyInfo>.*</ds:KeyInfo>`).ReplaceAllString(good, ""), xmlsec.Form},
		{"another root", strings.NewReplacer("<list ", "<lost ", "</list>", "</lost>").Replace(good), xmlsec.Malformed},
		{"a document type", strings.Replace(good, "<list ", "<!DOCTYPE list [<!ENTITY e 'x'>]><list ", 1), xmlsec.Malformed},
		{"a processing instruction", strings.Replace(good, "<empty/>", "<?php x?><empty/>", 1), xmlsec.Malformed},
		{"cut off", good[:len(good)-20], xmlsec.Malformed},
		{"a second root", good + "<list/>", xmlsec.Malformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.document == good {
				t.Fatal("nothing was changed")
			}
			v, err := xmlsec.Verify([]byte(row.document), root, pin(c), xmlsec.Limits{})
			if err == nil {
				t.Fatalf("it was taken: %s", xmlsec.Canonicalize(nil, v.Content.Root, xmlsec.Method{}, nil))
			}
			if got := xmlsec.ReasonOf(err); got != row.want {
				t.Errorf("refused for %q (%v), want %q", got, err, row.want)
			}
		})
	}
	// Comments are no part of what is signed, and of no text that is read.
	v, err := xmlsec.Verify([]byte(replace("möhür", "mö<!-- -->hür")), root, pin(c), xmlsec.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Content.Root.Child("urn:test", "entry").Text(); got != "Şəhadətnamə & möhür" {
		t.Errorf("with a comment inside, the text reads %q", got)
	}
}

// The signer decides: a signature that is right by a key that nobody pinned is
// no signature.
func TestSigners(t *testing.T) {
	good, c := signed(t)
	_, other := signed(t)
	if _, err := xmlsec.Verify([]byte(good), root, pin(other), xmlsec.Limits{}); xmlsec.ReasonOf(err) != xmlsec.Untrusted {
		t.Errorf("an unknown signer: %v", err)
	}
	if _, err := xmlsec.Verify([]byte(good), root, nil, xmlsec.Limits{}); xmlsec.ReasonOf(err) != xmlsec.Untrusted {
		t.Errorf("without pinned signers: %v", err)
	}
	// A new certificate for the same key is another certificate.
	key := ecKey(t, elliptic.P256())
	first, second := certificate(t, key), certificate(t, key)
	out, err := xmlsec.Sign(xmlsec.Request{Document: []byte(plain), Key: key, Certificate: first, Time: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := xmlsec.Verify(out, root, pin(second), xmlsec.Limits{}); xmlsec.ReasonOf(err) != xmlsec.Untrusted {
		t.Errorf("another certificate for the key: %v", err)
	}
	// KeyInfo is not what names the signer.
	swapped := regexp.MustCompile(`<ds:X509Certificate>[^<]*`).ReplaceAllString(good, "<ds:X509Certificate>"+regexp.MustCompile(`<ds:X509Certificate>([^<]*)`).FindStringSubmatch(string(out))[1])
	if _, err := xmlsec.Verify([]byte(swapped), root, pin(c, first), xmlsec.Limits{}); xmlsec.ReasonOf(err) != xmlsec.Form {
		t.Errorf("KeyInfo with another pinned certificate: %v", err)
	}
	weak := pin(c)
	weak[0].Key = nil
	if _, err := xmlsec.Verify([]byte(good), root, weak, xmlsec.Limits{}); xmlsec.ReasonOf(err) != xmlsec.Key {
		t.Errorf("a key without arithmetic: %v", err)
	}
}
