package interop

import "encoding/json"

// MediaTypeJSON of a signed list of trusted entities that is served (RFC 7515,
// Section 9.2.1).
const MediaTypeJSON = "application/jose"

// The shape of a list of trusted entities in JSON (ETSI TS 119 602, Annex A).
// What the schema asks for is always written; what it leaves open is left out
// when it is empty. [jsonExact] holds what is read to the same.
type (
	loteFile struct {
		LoTE loteList `json:"LoTE"`
	}
	loteList struct {
		Scheme   loteScheme   `json:"ListAndSchemeInformation"`
		Entities []loteEntity `json:"TrustedEntitiesList,omitempty"`
	}
	loteScheme struct {
		Version             int                  `json:"LoTEVersionIdentifier"`
		Sequence            uint64               `json:"LoTESequenceNumber"`
		Type                string               `json:"LoTEType,omitempty"`
		OperatorName        []loteText           `json:"SchemeOperatorName"`
		OperatorAddress     *loteOperatorAddress `json:"SchemeOperatorAddress,omitempty"`
		Name                []loteText           `json:"SchemeName,omitempty"`
		InformationURI      []loteURI            `json:"SchemeInformationURI,omitempty"`
		StatusDetermination string               `json:"StatusDeterminationApproach,omitempty"`
		CommunityRules      []loteURI            `json:"SchemeTypeCommunityRules,omitempty"`
		Territory           string               `json:"SchemeTerritory,omitempty"`
		Policy              []lotePolicy         `json:"PolicyOrLegalNotice,omitempty"`
		HistoricalPeriod    *int                 `json:"HistoricalInformationPeriod,omitempty"`
		Pointers            []lotePointer        `json:"PointersToOtherLoTE,omitempty"`
		IssuedAt            string               `json:"ListIssueDateTime"`
		NextUpdate          string               `json:"NextUpdate"`
		DistributionPoints  []string             `json:"DistributionPoints,omitempty"`
		Extensions          []json.RawMessage    `json:"SchemeExtensions,omitempty"`
	}
	loteText struct {
		Lang  string `json:"lang"`
		Value string `json:"value"`
	}
	loteURI struct {
		Lang  string `json:"lang"`
		Value string `json:"uriValue"`
	}
	// lotePolicy has one of the two.
	lotePolicy struct {
		Policy *loteURI `json:"LoTEPolicy,omitempty"`
		Notice *string  `json:"LoTELegalNotice,omitempty"`
	}
	loteOperatorAddress struct {
		Postal     []lotePostal `json:"SchemeOperatorPostalAddress"`
		Electronic []loteURI    `json:"SchemeOperatorElectronicAddress"`
	}
	loteEntityAddress struct {
		Postal     []lotePostal `json:"TEPostalAddress"`
		Electronic []loteURI    `json:"TEElectronicAddress"`
	}
	lotePostal struct {
		Lang       string `json:"lang"`
		Street     string `json:"StreetAddress"`
		Locality   string `json:"Locality,omitempty"`
		Province   string `json:"StateOrProvince,omitempty"`
		PostalCode string `json:"PostalCode,omitempty"`
		Country    string `json:"Country"`
	}
	lotePointer struct {
		Location   string          `json:"LoTELocation"`
		Identities []loteIdentity  `json:"ServiceDigitalIdentities"`
		Qualifiers []loteQualifier `json:"LoTEQualifiers"`
	}
	loteQualifier struct {
		Type           string     `json:"LoTEType"`
		OperatorName   []loteText `json:"SchemeOperatorName"`
		CommunityRules []loteURI  `json:"SchemeTypeCommunityRules,omitempty"`
		Territory      string     `json:"SchemeTerritory,omitempty"`
		MediaType      string     `json:"MimeType"`
	}
	loteIdentity struct {
		Certificates []loteCertificate `json:"X509Certificates,omitempty"`
		SubjectNames []string          `json:"X509SubjectNames,omitempty"`
		Keys         []json.RawMessage `json:"PublicKeyValues,omitempty"`
		SKIs         []string          `json:"X509SKIs,omitempty"`
		Others       []string          `json:"OtherIds,omitempty"`
	}
	loteCertificate struct {
		Encoding string `json:"encoding,omitempty"`
		SpecRef  string `json:"specRef,omitempty"`
		Value    string `json:"val"`
	}
	loteEntity struct {
		Information loteInformation `json:"TrustedEntityInformation"`
		Services    []loteService   `json:"TrustedEntityServices"`
	}
	loteInformation struct {
		Name           []loteText        `json:"TEName"`
		TradeName      []loteText        `json:"TETradeName,omitempty"`
		Address        loteEntityAddress `json:"TEAddress"`
		InformationURI []loteURI         `json:"TEInformationURI"`
		Extensions     []json.RawMessage `json:"TEInformationExtensions,omitempty"`
	}
	loteService struct {
		Information loteServiceInformation `json:"ServiceInformation"`
		History     []loteState            `json:"ServiceHistory,omitempty"`
	}
	loteServiceInformation struct {
		Name               []loteText        `json:"ServiceName"`
		Identity           loteIdentity      `json:"ServiceDigitalIdentity"`
		Type               string            `json:"ServiceTypeIdentifier,omitempty"`
		Status             string            `json:"ServiceStatus,omitempty"`
		Since              string            `json:"StatusStartingTime,omitempty"`
		SchemeDefinition   []loteURI         `json:"SchemeServiceDefinitionURI,omitempty"`
		SupplyPoints       []loteSupplyPoint `json:"ServiceSupplyPoints,omitempty"`
		ProviderDefinition []loteURI         `json:"ServiceDefinitionURI,omitempty"`
		Extensions         []json.RawMessage `json:"ServiceInformationExtensions,omitempty"`
	}
	loteSupplyPoint struct {
		Type string `json:"ServiceType,omitempty"`
		URI  string `json:"uriValue"`
	}
	loteState struct {
		Name       []loteText        `json:"ServiceName"`
		Identity   loteIdentity      `json:"ServiceDigitalIdentity"`
		Status     string            `json:"ServiceStatus"`
		Since      string            `json:"StatusStartingTime"`
		Type       string            `json:"ServiceTypeIdentifier,omitempty"`
		Extensions []json.RawMessage `json:"ServiceInformationExtensions,omitempty"`
	}
)

// spaceJSON is the namespace of elements that carry JSON of a list of trusted
// entities through the model, which is that of XML.
const spaceJSON = "urn:ietf:rfc:8259"

// loteExtension is how an extension of ETSI TS 119 612 stands in JSON: the
// schema leaves open what an extension is.
type loteExtension struct {
	Critical bool   `json:"critical"`
	XML      string `json:"xml"`
}
