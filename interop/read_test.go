package interop_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/altamga/altamga/internal/xmlsec"
	"github.com/altamga/altamga/interop"
)

// everyList returns all lists of the corpus, whether their signatures are right
// or not.
func everyList(t testing.TB) map[string][]byte {
	all := map[string][]byte{}
	for _, folder := range []string{"eu", "negative", "negative/xsw", "mra", "mra/specs"} {
		for name, data := range corpus(t, folder+"/*.xml") {
			all[folder+"/"+name] = data
		}
	}
	return all
}

// TestNotWhole: lists that miss something are refused by the line and element,
// and nothing of them is read.
func TestNotWhole(t *testing.T) {
	files := corpus(t, "negative/*.xml")
	for name, want := range map[string]string{
		"CZ_empty.xml":                     "there is no element",
		"CZ_not-conform.xml":               "line 174: this is not the end tag of TrustServiceStatusList/SchemeInformation/TSLVersionIdentifier",
		"eu-lotl-not-parseable.xml":        "line 55: this is not the end tag of",
		"fi-v5-invalid.xml":                "line 165, TrustServiceStatusList/TrustServiceProviderList/TrustServiceProvider/TSPServices/TSPService/ServiceInformation/ServiceSupplyPoints/ServiceSupplyPoint: has an attribute type, which version 5 does not know",
		"fi-v6-no-service-information.xml": "ServiceHistory: stands where ServiceInformation belongs",
		"fi-v6-no-tsp-information.xml":     "TSPServices: stands where TSPInformation belongs",
		"tl-empty.xml":                     "has no SchemeInformation",
		"tl-empty-with-identifier.xml":     "has no TSLSequenceNumber",
		"tlv6_empty.xml":                   "has no SchemeInformation",
		"tlv6_wrong_inside.xml":            "hello: stands where SchemeInformation belongs",
	} {
		data, ok := files[name]
		l, err := interop.Read(data)
		if !ok || l != nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

// TestRoundTrip: read, write, read loses nothing on any real list. The second
// reading equals the first, and the written document has every element,
// attribute and text of the real one.
func TestRoundTrip(t *testing.T) {
	lists, certificates, unread := 0, map[string]bool{}, map[string]string{}
	for name, data := range everyList(t) {
		first, err := interop.Read(data)
		if err != nil {
			continue
		}
		lists++
		written := interop.Write(first)
		second, err := interop.Read(written)
		if err != nil {
			t.Errorf("%s: reading what was written: %v", name, err)
			continue
		}
		// Lines differ, and only notes have them.
		first.Notes, second.Notes = nil, nil
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s: the second reading differs", name)
		}
		if got, want := outline(t, written), outline(t, data); got != want {
			t.Errorf("%s: the written document differs:\n%s", name, firstDifference(got, want))
		}
		for i := range first.Providers {
			for j := range first.Providers[i].Services {
				for _, c := range first.Providers[i].Services[j].Identity.Certificates() {
					certificates[c.Fingerprint()] = true
					facts, err := c.Facts()
					if err != nil {
						t.Errorf("%s: %v", name, err)
					} else if facts.Refused != nil {
						unread[c.Fingerprint()] = facts.Refused.Error()
					}
				}
			}
		}
	}
	if lists < 30 {
		t.Errorf("only %d lists were read", lists)
	}
	reasons := map[string]int{}
	for reason := range maps.Values(unread) {
		reasons[reason]++
	}
	t.Logf("%d lists, %d different certificates, %d of them not read by crypto/x509: %v", lists, len(certificates), len(unread), reasons)
}

// outline writes what a document says, one thing to a line: names with their
// namespaces, attributes, texts without the freedom that the schema gives to
// spaces, dates and base64. The signature is left out.
func outline(t *testing.T, data []byte) string {
	t.Helper()
	d, err := xmlsec.Parse(data, xmlsec.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(e *xmlsec.Element)
	walk = func(e *xmlsec.Element) {
		if e.Is(xmlsec.SpaceDSig, "Signature") {
			return
		}
		fmt.Fprintf(&b, "<%s", e.Name)
		attributes := map[string]string{}
		for _, a := range e.Attributes {
			// A hint where the schema is; it is no part of what the list says.
			if a.Local != "schemaLocation" {
				attributes[a.Name.String()] = a.Value
			}
		}
		fmt.Fprintf(&b, " %v>\n", attributes)
		if e.HasText() {
			text := strings.TrimSpace(e.Text())
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				text = at.UTC().Format(time.RFC3339Nano)
			} else if octets, err := xmlsec.Base64(text); err == nil && len(octets) > 8 {
				text = base64.StdEncoding.EncodeToString(octets)
			}
			fmt.Fprintf(&b, "%q\n", text)
		}
		for c := range e.Children() {
			walk(c)
		}
		b.WriteString(">\n")
	}
	walk(d.Root)
	return b.String()
}

func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%s\n got %.300s\nwant %.300s", strings.Join(b[max(0, i-5):i], "\n"), a[i], b[i])
		}
	}
	return "one ends before the other"
}

// FuzzRead: no input makes the reader fail, and what it reads is written and
// read again as the same list.
func FuzzRead(f *testing.F) {
	f.Add(interop.Write(&interop.List{Tag: "http://uri.etsi.org/19612/TSLTag"}))
	f.Add([]byte(smallList))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		first, err := interop.Read(data)
		if err != nil {
			return
		}
		written := interop.Write(first)
		second, err := interop.Read(written)
		if err != nil {
			t.Fatalf("reading what was written: %v\n%s", err, written)
		}
		if again := interop.Write(second); !bytes.Equal(written, again) {
			t.Fatalf("written twice:\n%s\n%s", written, again)
		}
	})
}

// smallList has most of what a list may have.
const smallList = `<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#" xmlns:q="http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" TSLTag="http://uri.etsi.org/19612/TSLTag" Id="list">
<SchemeInformation><TSLVersionIdentifier>6</TSLVersionIdentifier><TSLSequenceNumber>7</TSLSequenceNumber><TSLType>urn:type</TSLType>
<SchemeOperatorName><Name xml:lang="az">Mərkəz &amp; Co</Name></SchemeOperatorName><SchemeOperatorAddress><PostalAddresses><PostalAddress xml:lang="az">
<StreetAddress>Küçə 1</StreetAddress><Locality>Bakı</Locality><StateOrProvince>-</StateOrProvince><PostalCode>AZ1000</PostalCode><CountryName>AZ</CountryName></PostalAddress>
</PostalAddresses><ElectronicAddress><URI xml:lang="en">mailto:a@b.example</URI></ElectronicAddress></SchemeOperatorAddress>
<SchemeName><Name xml:lang="en">AZ:List</Name></SchemeName><SchemeInformationURI><URI xml:lang="en"> http://a.example/ </URI></SchemeInformationURI>
<StatusDeterminationApproach>urn:approach</StatusDeterminationApproach><SchemeTypeCommunityRules><URI xml:lang="en">urn:rules</URI></SchemeTypeCommunityRules>
<SchemeTerritory>AZ</SchemeTerritory><PolicyOrLegalNotice><TSLLegalNotice xml:lang="en">It is
law.</TSLLegalNotice></PolicyOrLegalNotice><HistoricalInformationPeriod>65535</HistoricalInformationPeriod><PointersToOtherTSL><OtherTSLPointer>
<ServiceDigitalIdentities><ServiceDigitalIdentity><DigitalId><X509Certificate>MA==</X509Certificate></DigitalId><DigitalId><X509SubjectName>CN=a</X509SubjectName></DigitalId>
<DigitalId><X509SKI>AQID</X509SKI></DigitalId><DigitalId><ds:KeyValue xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:RSAKeyValue/></ds:KeyValue></DigitalId><DigitalId><Other>x<q:y/></Other></DigitalId><DigitalId/>
</ServiceDigitalIdentity></ServiceDigitalIdentities><TSLLocation>http://b.example/list.xml</TSLLocation><AdditionalInformation><TextualInformation xml:lang="en">t</TextualInformation>
<OtherInformation><SchemeTerritory>KZ</SchemeTerritory></OtherInformation></AdditionalInformation></OtherTSLPointer></PointersToOtherTSL>
<ListIssueDateTime>2026-01-01T00:00:00Z</ListIssueDateTime><NextUpdate><dateTime>2026-06-01T00:00:00.5+04:00</dateTime></NextUpdate>
<DistributionPoints><URI>http://a.example/list.xml</URI></DistributionPoints><SchemeExtensions><Extension Critical="false"><q:z a="q:b" xsi:type="q:c"/></Extension></SchemeExtensions></SchemeInformation>
<TrustServiceProviderList><TrustServiceProvider><TSPInformation><TSPName><Name xml:lang="en">P</Name></TSPName><TSPTradeName><Name xml:lang="en">VAT</Name></TSPTradeName>
<TSPAddress><PostalAddresses><PostalAddress xml:lang="en"><StreetAddress>S</StreetAddress><Locality>L</Locality><CountryName>AZ</CountryName></PostalAddress></PostalAddresses>
<ElectronicAddress><URI xml:lang="en">http://p.example</URI></ElectronicAddress></TSPAddress><TSPInformationURI><URI xml:lang="en">http://p.example</URI></TSPInformationURI></TSPInformation>
<TSPServices><TSPService><ServiceInformation><ServiceTypeIdentifier>urn:ca</ServiceTypeIdentifier><ServiceName><Name xml:lang="en">S</Name></ServiceName><ServiceDigitalIdentity/>
<ServiceStatus>urn:granted</ServiceStatus><StatusStartingTime>2026-01-01T00:00:00Z</StatusStartingTime><ServiceSupplyPoints><ServiceSupplyPoint type="urn:t">http://s.example</ServiceSupplyPoint></ServiceSupplyPoints>
<ServiceInformationExtensions><Extension Critical="true"> mixed <AdditionalServiceInformation><URI xml:lang="en">urn:sig</URI></AdditionalServiceInformation></Extension></ServiceInformationExtensions></ServiceInformation>
<ServiceHistory><ServiceHistoryInstance><ServiceTypeIdentifier>urn:ca</ServiceTypeIdentifier><ServiceName><Name xml:lang="en">S</Name></ServiceName><ServiceDigitalIdentity/><ServiceStatus>urn:withdrawn</ServiceStatus>
<StatusStartingTime>2025-01-01T00:00:00Z</StatusStartingTime></ServiceHistoryInstance></ServiceHistory></TSPService></TSPServices></TrustServiceProvider></TrustServiceProviderList></TrustServiceStatusList>`

func TestReadSmall(t *testing.T) {
	l, err := interop.Read([]byte(smallList))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := outline(t, interop.Write(l)), outline(t, []byte(smallList)); got != want {
		t.Errorf("written, the list differs:\n%s", firstDifference(got, want))
	}
	s := &l.Providers[0].Services[0]
	for at, want := range map[string]string{"2024-12-31": "", "2025-06-01": "urn:withdrawn", "2026-01-01": "urn:granted"} {
		moment, err := time.Parse(time.DateOnly, at)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if state, _ := s.At(moment); state != nil {
			got = state.Status
		}
		if got != want {
			t.Errorf("at %s the status is %q, want %q", at, got, want)
		}
	}
}
