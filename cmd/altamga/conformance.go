package main

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/altamga/altamga/conformance"
	"github.com/altamga/altamga/internal/lint"
)

// judgeCommands judge servers and files, ours or anybody's.
type judgeCommands struct {
	All        conformanceAll        `cmd:"" help:"Judge everything of a centre: what an endpoints.json or a target.toml names."`
	OCSP       conformanceOCSP       `cmd:"" name:"ocsp" help:"Judge an OCSP responder."`
	TSA        conformanceTSA        `cmd:"" name:"tsa" help:"Judge a time-stamping authority."`
	CRL        conformanceCRL        `cmd:"" name:"crl" help:"Judge a distribution point, or a list in a file."`
	EST        conformanceEST        `cmd:"" name:"est" help:"Judge an EST server."`
	Hold       conformanceHold       `cmd:"" help:"Put a certificate on hold that was issued for it, release it, and measure how long each takes to be seen."`
	Revocation conformanceRevocation `cmd:"" help:"Revoke a certificate that was issued for it, and measure how long it takes to be seen."`
	Cert       conformanceCert       `cmd:"" help:"Judge certificates in files."`
	CSR        conformanceCSR        `cmd:"" name:"csr" help:"Judge a certification request in a file."`
	Token      conformanceToken      `cmd:"" help:"Judge a time-stamp token or reply in a file."`
	Response   conformanceResponse   `cmd:"" help:"Judge an OCSP response in a file."`
	List       conformanceList       `cmd:"" help:"Judge a trust list; without one, print the requirements that are tested."`
}

// judging are the flags that every command of the kind has.
type judging struct {
	Format   string        `help:"How the report is written: text, json, junit or html." enum:"text,json,junit,html" default:"text"`
	Output   string        `help:"The file that the report is written to. Default: standard output." short:"o" type:"path" placeholder:"FILE"`
	Country  string        `help:"Rules of a country beside the standards: AZ, EU, KZ-DTS, TR, or a file of your own in TOML." placeholder:"NAME|FILE"`
	Must     bool          `help:"Let only what is binding decide the exit code; recommendations are shown and not counted."`
	Verbose  bool          `help:"Show in text what passed and what does not apply, too." short:"v"`
	Timeout  time.Duration `help:"The longest time for one answer." default:"10s"`
	Deadline time.Duration `help:"The longest time for the whole run." default:"5m"`
	Rate     float64       `help:"The most requests per second; 0 is as fast as answers come." default:"20"`
	Agent    string        `help:"How to name oneself to servers." default:"altamga-conformance"`
	Follow   string        `placeholder:"POLICY" help:"Which URLs found inside certificates are fetched: none, given (at hosts that the user named), public (at public addresses), any. Default: none; with all, given." enum:",none,given,public,any" default:""`
	Hostile  bool          `help:"Send malformed requests, too." default:"true" negatable:""`
	Watch    time.Duration `help:"How long to watch lists and answers for a roll-over. Default: not at all."`
	Load     float64       `placeholder:"N" help:"With the consent of whoever runs the servers: press each with so many requests per second, and show how it bears that."`
	LoadFor  time.Duration `help:"How long to press each." default:"10s"`
	SlowFor  time.Duration `help:"With --load: how long clients wait that never end what they send, to be answered or cut off; 0 leaves them out." default:"75s"`
	NTP      []string      `name:"ntp" help:"Time servers that tell the time which time stamps are judged by. Default: this machine's clock, thought right within a second." placeholder:"HOST"`
	sealing
}

// reportMarks tell a report from any other file. Text has none: it replaces
// nothing.
var reportMarks = map[string][]string{"json": {`"tool": "`}, "junit": {"<testsuites "}, "html": {"<title>Conformance report"}}

// exitCode is an error that was told already: it only ends the command.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// wrong is a command line or a file that no test can begin with.
func wrong(err error, hint string) error { return codedError{withHint(err, hint), 2} }

// codedError is an error with an exit code of its own.
type codedError struct {
	error
	code int
}

func (e codedError) Unwrap() error { return e.error }

// run makes a tester, lets test use it, and writes the report.
func (j judging) run(ctx context.Context, std streams, test func(context.Context, *conformance.Tester) error) error {
	config := conformance.Config{Agent: j.Agent, Timeout: j.Timeout, Follow: conformance.Follow(j.Follow), NoHostile: !j.Hostile, Watch: j.Watch, Clock: trustedClock(j.NTP), Load: conformance.Load{Rate: j.Load, For: j.LoadFor, Slow: j.SlowFor}, Lint: zlintFindings, TrustList: trustListFindings}
	if j.Rate < 0 || j.Deadline <= 0 || j.Timeout <= 0 {
		return wrong(errors.New("--rate, --timeout and --deadline are not negative, and times are not zero"), "leave them out for the defaults")
	}
	if j.Rate > 0 {
		config.Pace = time.Duration(float64(time.Second) / j.Rate)
	}
	if err := j.check(j.Output); err != nil {
		return codedError{err, 2}
	}
	if j.Output != "" {
		if err := keepOthers(j.Output, "report in this format", reportMarks[j.Format]...); err != nil {
			return codedError{err, 2}
		}
	}
	if j.Country != "" {
		profile, err := countryProfile(j.Country)
		if err != nil {
			return wrong(fmt.Errorf("reading profile: %w", err), "name one of "+strings.Join(conformance.ProfileNames(), ", ")+", or a file in their form")
		}
		config.Profile = profile
	}
	show, wipe := statusLine(std.err)
	config.OnStep = func(section, step string) { show(section + " " + step) }
	tester, err := conformance.New(config)
	if err != nil {
		return wrong(err, "run `altamga conformance --help`")
	}
	ctx, cancel := context.WithTimeout(ctx, j.Deadline)
	defer cancel()
	err = test(ctx, tester)
	wipe()
	if err != nil {
		return codedError{err, 2}
	}
	report := tester.Report()
	report.Version = version()
	if err := j.write(std.out, report); err != nil {
		return codedError{fmt.Errorf("writing report: %w", err), 2}
	}
	if err := j.seal(ctx, j.Output); err != nil {
		return codedError{err, 2}
	}
	switch report.Conclusion(j.Must) {
	case conformance.Conforms:
		return nil
	case conformance.Findings:
		return exitCode(1)
	}
	return exitCode(2)
}

// write writes the report in the form asked for.
func (j judging) write(out io.Writer, report *conformance.Report) (err error) {
	colour := isTerminal(out)
	if j.Output != "" {
		file, err := os.Create(j.Output)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out, colour = file, false
	}
	switch j.Format {
	case "json":
		return report.WriteJSON(out)
	case "junit":
		return report.WriteJUnit(out)
	case "html":
		return report.WriteHTML(out)
	}
	return report.WriteText(out, colour, j.Verbose)
}

func countryProfile(name string) (*conformance.Profile, error) {
	if strings.HasSuffix(name, ".toml") {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		profile, err := conformance.ParseProfile(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return profile, nil
	}
	return conformance.BuiltinProfile(name)
}

// zlintFindings is zlint's opinion, one error for each lint. Its parser is not
// ours: what breaks it is its finding and not our end.
func zlintFindings(certificate *x509.Certificate) (err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("zlint broke over it: %v", broken)
		}
	}()
	err = lint.Certificate(certificate)
	if found, ok := errors.AsType[*lint.Error](err); ok {
		var all []error
		for _, name := range found.Lints {
			all = append(all, errors.New(name))
		}
		return errors.Join(all...)
	}
	return err
}

// readObject reads a file in DER, or the first PEM block of one of the types.
func readObject(path string, types ...string) ([]byte, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	rest := data
	for {
		block, after := pem.Decode(rest)
		if block == nil {
			return data, nil
		}
		for _, t := range types {
			if block.Type == t {
				return block.Bytes, nil
			}
		}
		rest = after
	}
}

// readBounded reads a file of a size that can be judged.
func readBounded(path string) ([]byte, error) {
	const most = 256 << 20
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if len(data) > most {
		return nil, fmt.Errorf("%s is larger than %d octets", path, most)
	}
	return data, nil
}

// readDER reads the first certificate of a file; "" is none.
func readDER(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	all, err := readAllDER(path)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// readAllDER reads all certificates of a file.
func readAllDER(path string) ([][]byte, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	all, err := conformance.ParseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// serialNumber reads a serial number in hexadecimal.
func serialNumber(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	octets, err := hex.DecodeString(strings.TrimPrefix(strings.ReplaceAll(s, ":", ""), "0x"))
	if err != nil || len(octets) == 0 || len(octets) > 20 {
		return nil, withHint(fmt.Errorf("%q is not a serial number in hexadecimal", s), "openssl x509 -noout -serial prints one")
	}
	for len(octets) > 1 && octets[0] == 0 {
		octets = octets[1:]
	}
	if octets[0] >= 0x80 {
		octets = append([]byte{0}, octets...)
	}
	return octets, nil
}

// isTerminal reports whether what is written to w is read by a person.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}
