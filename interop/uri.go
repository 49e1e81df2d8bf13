package interop

// Namespaces of trust lists (ETSI TS 119 612, Annex C).
const (
	spaceList       = "http://uri.etsi.org/02231/v2#"
	spaceAdditional = "http://uri.etsi.org/02231/v2/additionaltypes#"
	spaceQualifiers = "http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#"
)

// tag is TSLTag (ETSI TS 119 612, Section 5.2.1).
const tag = "http://uri.etsi.org/19612/TSLTag"

// MediaType of a list that is served (ETSI TS 119 612, Section 6).
const MediaType = "application/vnd.etsi.tsl+xml"

// prefixes of the URIs that ETSI TS 119 612, Annex D registers.
const (
	prefixList   = "http://uri.etsi.org/TrstSvc/TrustedList/"
	prefixType   = prefixList + "TSLType/"
	prefixStatus = prefixList + "Svcstatus/"
	prefixInfo   = prefixList + "SvcInfoExt/"
	prefixSvc    = "http://uri.etsi.org/TrstSvc/Svctype/"
)

// Kinds of lists.
const (
	TypeEU           = prefixType + "EUgeneric"
	TypeEUOfLists    = prefixType + "EUlistofthelists"
	suffixOfLists    = "listofthelists"
	suffixOfOneState = "list"
)

// Statuses of services (ETSI TS 119 612, Section 5.5.4).
const (
	Granted      = prefixStatus + "granted"
	Withdrawn    = prefixStatus + "withdrawn"
	Recognised   = prefixStatus + "recognisedatnationallevel"
	Deprecated   = prefixStatus + "deprecatedatnationallevel"
	SetByLaw     = prefixStatus + "setbynationallaw"
	accredited   = prefixStatus + "accredited"
	supervised   = prefixStatus + "undersupervision"
	inCessation  = prefixStatus + "supervisionincessation"
	oldSuffixURI = "http://uri.etsi.org/TrstSvc/Svcstatus/eSigDir-1999-93-EC-TrustedList/"
)

// Types of services that this package knows what to do with (ETSI TS 119 612,
// Section 5.5.1).
const (
	ServiceCAQC   = prefixSvc + "CA/QC"
	ServiceCAPKC  = prefixSvc + "CA/PKC"
	ServiceOCSPQC = prefixSvc + "Certstatus/OCSP/QC"
	ServiceOCSP   = prefixSvc + "Certstatus/OCSP"
	ServiceCRLQC  = prefixSvc + "Certstatus/CRL/QC"
	ServiceCRL    = prefixSvc + "Certstatus/CRL"
	ServiceTSAQ   = prefixSvc + "TSA/QTST"
	ServiceTSA    = prefixSvc + "TSA"
)

// Relied reports whether a service of the status may be relied on. The
// last three are those of lists before July 2016.
func Relied(uri string) bool {
	switch uri {
	case Granted, Recognised, SetByLaw, accredited, supervised, inCessation,
		oldSuffixURI + "accredited", oldSuffixURI + "undersupervision", oldSuffixURI + "supervisionincessation":
		return true
	}
	return false
}

// issues reports whether services of the type issue certificates to others.
func issues(serviceType string) bool {
	return serviceType == ServiceCAQC || serviceType == ServiceCAPKC
}
