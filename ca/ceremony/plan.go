package ceremony

import "time"

// Plan is the reviewed file. Each field is a key of it; paths are relative to
// the plan's folder and use slashes.
type Plan struct {
	// Ceremony is the short name: it is part of the minutes' file names and of
	// the records in the register. 1 to 30 lower-case letters, digits and
	// hyphens.
	Ceremony string `toml:"ceremony"`
	// Title is one line for people.
	Title string `toml:"title"`
	// NotBefore and NotAfter are the days for which the ceremony is set. A
	// clock outside of them is wrong or the plan is old.
	NotBefore time.Time `toml:"not_before"`
	NotAfter  time.Time `toml:"not_after"`
	// Profiles is a folder of profile files. Default: the built-in ones.
	Profiles string `toml:"profiles"`
	// Register is the ceremony machine's own register; it is made when there is
	// none. It goes on from ceremony to ceremony: serials, statuses and list
	// numbers are in it.
	Register string `toml:"register"`
	// Confirmations is the folder of the officers' confirmation files.
	Confirmations string `toml:"confirmations"`
	// Required is how many officers confirm the plan and sign the minutes, at
	// least two.
	Required int `toml:"required"`
	// Operator names the officer who works the machine. Others must confirm
	// beside him.
	Operator string `toml:"operator"`
	// Host puts the machine's name into the minutes.
	Host bool `toml:"host"`
	// Minutes is the folder of the minutes: NAME.jsonl and NAME.txt.
	Minutes string `toml:"minutes"`
	// Seal names a key that signs the minutes at the end. Without it the
	// officers sign, `required` of them.
	Seal        string      `toml:"seal"`
	Timestamp   *Timestamp  `toml:"timestamp"`
	Officers    []Officer   `toml:"officer"`
	Keys        []Key       `toml:"key"`
	Authorities []Authority `toml:"authority"`
	Steps       []Step      `toml:"step"`
}

// Timestamp is how the minutes get their time-stamp: a request file is carried
// out, a response file comes back, and the ceremony is run again to take it in.
type Timestamp struct {
	Request  string `toml:"request"`
	Response string `toml:"response"`
	// Roots is the PEM file of the roots that the time-stamp must come from.
	Roots string `toml:"roots"`
}

// Officer may confirm.
type Officer struct {
	Name string `toml:"name"`
	// Certificate or Key, a PEM file, holds the officer's public key.
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
}

// Key is a private key that the plan uses or makes.
type Key struct {
	Name string `toml:"name"`
	// URI says where it is: file: or pkcs11:.
	URI string `toml:"uri"`
	// Algorithm is what a step generates it as; without it the key exists.
	Algorithm string `toml:"algorithm"`
}

// Authority is one that signs or is certified in the ceremony.
type Authority struct {
	// ID is its short name in the register.
	ID  string `toml:"id"`
	Key string `toml:"key"`
	// Certificate is the file of its certificate: an input, or the output of a
	// step that is for it.
	Certificate string `toml:"certificate"`
	// OCSP, CRL and CAIssuers are the addresses put into what it issues.
	OCSP      string `toml:"ocsp"`
	CRL       string `toml:"crl"`
	CAIssuers string `toml:"ca_issuers"`
}

// What a step does.
const (
	DoGenerate = "generate" // makes key
	DoRequest  = "request"  // writes a certification request for key with subject
	DoRoot     = "root"     // makes the self-signed certificate of for
	DoCertify  = "certify"  // by certifies key or csr, for an authority or output
	DoCross    = "cross"    // by certifies the authority of another centre in certificate
	DoLink     = "link"     // by certifies the key of the authority for, which has its name
	DoList     = "crl"      // by issues its revocation list
	DoRevoke   = "revoke"   // by revokes certificate
)

// Step is one thing that is done. Which fields it has depends on Do; they are
// the words of the Do constants' comments.
type Step struct {
	// ID is the step's name in the minutes, as short as a ceremony's.
	ID string `toml:"id"`
	Do string `toml:"do"`
	By string `toml:"by"`
	// For is the authority whose certificate results; the output is then its
	// certificate file.
	For     string `toml:"for"`
	Key     string `toml:"key"`
	CSR     string `toml:"csr"`
	Profile string `toml:"profile"`
	// Certificate is an input file, or an earlier output.
	Certificate string            `toml:"certificate"`
	Subject     map[string]string `toml:"subject"`
	DNS         []string          `toml:"dns"`
	IP          []string          `toml:"ip"`
	// NotBefore and NotAfter bend the profile's validity: later, and shorter.
	NotBefore time.Time `toml:"not_before"`
	NotAfter  time.Time `toml:"not_after"`
	// Validity is a list's: nextUpdate less thisUpdate.
	Validity time.Duration `toml:"validity"`
	// Reason is a revocation's, by its name in RFC 5280, Section 5.3.1.
	Reason string `toml:"reason"`
	// Output is the file to write: PEM, or DER when it ends in .cer, .der or
	// .crl.
	Output string `toml:"output"`
}

func (p *Plan) key(name string) *Key {
	for i := range p.Keys {
		if p.Keys[i].Name == name {
			return &p.Keys[i]
		}
	}
	return nil
}

func (p *Plan) authority(id string) *Authority {
	for i := range p.Authorities {
		if p.Authorities[i].ID == id {
			return &p.Authorities[i]
		}
	}
	return nil
}

// output is the file that a step writes, "" when it writes none.
func (p *Plan) output(s *Step) string {
	if s.Output == "" && s.For != "" && (s.Do == DoRoot || s.Do == DoCertify) {
		if a := p.authority(s.For); a != nil {
			return a.Certificate
		}
	}
	return s.Output
}

// made reports whether a step of the plan writes the file.
func (p *Plan) made(file string) bool {
	for i := range p.Steps {
		if p.output(&p.Steps[i]) == file {
			return true
		}
	}
	return false
}

// generated reports whether a step of the plan makes the key.
func (p *Plan) generated(name string) bool {
	for _, s := range p.Steps {
		if s.Do == DoGenerate && s.Key == name {
			return true
		}
	}
	return false
}

// Inputs are the files that the plan brings in, in the order in which it names
// them, without the profiles.
func (p *Plan) Inputs() []string {
	var files []string
	seen := map[string]bool{"": true}
	add := func(names ...string) {
		for _, name := range names {
			if !seen[name] && !p.made(name) {
				files = append(files, name)
			}
			seen[name] = true
		}
	}
	for _, o := range p.Officers {
		add(o.Certificate, o.Key)
	}
	if p.Timestamp != nil {
		add(p.Timestamp.Roots)
	}
	for _, a := range p.Authorities {
		add(a.Certificate)
	}
	for _, s := range p.Steps {
		add(s.CSR, s.Certificate)
	}
	return files
}
