package ceremony

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/altamga/altamga/internal/pki"
)

// Verification is how minutes are checked.
type Verification struct {
	// Minutes is the .jsonl file.
	Minutes string
	// Dir is the folder that file names in the minutes start from. Empty takes
	// the one that the minutes name relative to themselves.
	Dir string
	// Expected is the reviewed plan's own manifest and officers, if the verifier
	// has the plan. Without it the minutes are checked against themselves: the
	// plan hash and keys that they name are printed for comparison.
	Expected *Expected
	// Stamps checks a time-stamp. Roots, PEM, are the verifier's own trust
	// anchors for it; empty takes the file that the minutes name.
	Stamps Stamps
	Roots  []byte
}

// Expected is what a reviewed plan says about the minutes of its ceremony.
type Expected struct {
	plan     File
	inputs   []string
	officers []officer
}

// Expect reads what the plan says. It needs the officers' keys from beside the
// plan; other inputs may be gone, and their certificates may have expired.
func Expect(plan *Plan, dir, name string, text []byte) (*Expected, error) {
	officers, err := loadOfficers(plan, dir, time.Time{})
	return &Expected{File{name, hash(text)}, plan.Inputs(), officers}, err
}

// check compares the files that the minutes say were confirmed with the plan's.
func (e *Expected) check(manifest []File) error {
	if len(manifest) == 0 || manifest[0].SHA256 != e.plan.SHA256 {
		return fmt.Errorf("the minutes are of another plan than %s, which has the hash %s", e.plan.Path, e.plan.SHA256)
	}
	var names []string
	for _, f := range manifest[1:] {
		names = append(names, f.Path)
	}
	// Profile files come last.
	if len(names) < len(e.inputs) || !slices.Equal(names[:len(e.inputs)], e.inputs) {
		return errors.New("the inputs of the minutes are not those that the plan names")
	}
	return nil
}

// Report is what a verification found.
type Report struct {
	Ceremony, PlanHash string
	Lines              int
	// Faults is everything that is wrong; none means that the minutes are whole,
	// complete and signed.
	Faults []string
	// Facts are what holds, for people.
	Facts []string
}

func (r *Report) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

func (r *Report) holds(format string, args ...any) {
	r.Facts = append(r.Facts, fmt.Sprintf(format, args...))
}

// Verify checks minutes and the files that they name, offline. The error says
// that they could not be read; what is wrong with them is in the report.
func Verify(v Verification) (*Report, error) {
	data, err := readMinutes(v.Minutes)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	lines, err := parseMinutes(data)
	r.Lines = len(lines)
	if err != nil {
		r.fault("%v", err)
	}
	if len(lines) == 0 || lines[0].Event != eventOpened {
		r.fault("the first line does not open a ceremony")
		return r, nil
	}
	r.holds("%d lines, each linked to the one before", len(lines))
	opened := &lines[0]
	r.Ceremony, r.PlanHash = opened.fact("ceremony"), opened.fact("plan")
	if v.Dir == "" {
		v.Dir = filepath.Join(filepath.Dir(v.Minutes), filepath.FromSlash(opened.fact("base")))
	}
	officers := r.officers(opened, v.Expected)
	r.confirmations(lines, officers)
	r.steps(lines)
	r.signatures(lines, officers)
	r.stamp(lines, v)
	r.files(lines, v)
	if text, err := os.ReadFile(strings.TrimSuffix(v.Minutes, ".jsonl") + ".txt"); err == nil && string(text) != Text(lines) {
		r.fault("the text beside the minutes does not say what they say")
	}
	return r, nil
}

// officers reads who may confirm and sign, and compares it with the plan's.
func (r *Report) officers(opened *Line, expected *Expected) []officer {
	if hash(opened.Data) != r.PlanHash {
		r.fault("the plan hash is not that of the manifest in the minutes")
	}
	if m := (&Manifest{opened.Inputs}); m.Text() != string(opened.Data) {
		r.fault("the files of the first line are not those of the manifest")
	}
	var officers []officer
	for _, f := range opened.Facts {
		name, ok := strings.CutPrefix(f.Name, "officer ")
		if !ok {
			continue
		}
		encoded, err := base64.StdEncoding.DecodeString(f.Value)
		if err != nil {
			r.fault("the key of %s is not readable", name)
			continue
		}
		public, err := parsePublic(encoded)
		if err != nil {
			r.fault("the key of %s: %v", name, err)
			continue
		}
		officers = append(officers, officer{name: name, public: public, spki: encoded})
	}
	if expected == nil {
		for _, o := range officers {
			r.holds("officer %s: key sha256 %s (compare it with the plan)", o.name, hash(o.spki))
		}
		return officers
	}
	if err := expected.check(opened.Inputs); err != nil {
		r.fault("%v", err)
	}
	same := func(a, b officer) bool { return a.name == b.name && string(a.spki) == string(b.spki) }
	if !slices.EqualFunc(officers, expected.officers, same) {
		r.fault("the officers of the minutes are not those of the plan")
	}
	return expected.officers
}

// confirmations checks that enough officers confirmed before the ceremony began.
func (r *Report) confirmations(lines []Line, officers []officer) {
	var names []string
	begun := false
	for _, l := range lines {
		switch l.Event {
		case eventConfirmed:
			c, err := decodeConfirmation(l.Data)
			if err == nil {
				err = c.check(r.Ceremony, r.PlanHash, officers)
			}
			if err != nil {
				r.fault("line %d: %v", l.Seq, err)
			} else if !begun {
				names = append(names, c.Officer)
			}
		case eventBegun:
			begun = true
		case eventIntent, eventAudit, eventDone, eventClosed:
			if !begun {
				r.fault("line %d: something was done before the ceremony began", l.Seq)
			}
		}
	}
	required, err := strconv.Atoi(lines[0].fact("required"))
	if err != nil || required < 2 {
		r.fault("the minutes do not require two officers")
	} else if err := enough(required, lines[0].fact("operator"), names); err != nil {
		r.fault("%v", err)
	} else {
		r.holds("confirmed by %s, %d required", strings.Join(names, ", "), required)
	}
}

// steps checks that what was done is what was intended, and that nothing but
// signatures follows the end.
func (r *Report) steps(lines []Line) {
	var closed *Line
	done := 0
	for i := range lines {
		l := &lines[i]
		if closed != nil && !slices.Contains([]string{eventSignature, eventRequest, eventStamp}, l.Event) {
			r.fault("line %d: the ceremony went on after its minutes were closed", l.Seq)
		}
		switch l.Event {
		case eventClosed:
			closed = l
		case eventDone:
			done++
			intent := find(lines[:i], eventIntent, l.Step)
			if intent == nil {
				r.fault("line %d: step %s was done without an intent before it", l.Seq, l.Step)
			} else if signed := signedBytes(l.Data); len(l.Outputs) > 0 && string(signed) != string(intent.Data) {
				r.fault("line %d: step %s signed other bytes than it intended", l.Seq, l.Step)
			}
			if find(lines[:i], eventDone, l.Step) != nil {
				r.fault("line %d: step %s was done twice", l.Seq, l.Step)
			}
		}
	}
	switch {
	case closed == nil:
		last := lines[len(lines)-1]
		r.fault("the ceremony is not complete: %d steps are done, and the last line is %q", done, strings.TrimSpace(last.Event+" "+last.Step))
	case closed.fact("steps") != strconv.Itoa(done):
		r.fault("%d steps are done and the plan has %s", done, closed.fact("steps"))
	default:
		r.holds("%d steps, all done, closed at %s", done, when(closed.At))
	}
}

// signedBytes returns what was signed in a certificate, list or request.
func signedBytes(encoded []byte) []byte {
	if c, err := x509.ParseCertificate(encoded); err == nil {
		return c.RawTBSCertificate
	}
	if l, err := x509.ParseRevocationList(encoded); err == nil {
		return l.RawTBSRevocationList
	}
	if q, err := x509.ParseCertificateRequest(encoded); err == nil {
		return q.RawTBSCertificateRequest
	}
	return nil
}

// signatures checks who signed the closed minutes, and whether that is enough.
func (r *Report) signatures(lines []Line, officers []officer) {
	closed := find(lines, eventClosed, "")
	if closed == nil {
		return
	}
	seal := lines[0].fact("seal")
	keys := map[string]crypto.PublicKey{}
	for _, o := range officers {
		keys["officer "+o.name] = o.public
	}
	if seal != "" {
		if public, err := r.sealKey(lines, closed, seal); err != nil {
			r.fault("the key %s that seals the minutes: %v", seal, err)
		} else {
			keys["key "+seal] = public
		}
	}
	var by []string
	for _, l := range lines {
		if l.Event != eventSignature {
			continue
		}
		who := l.fact("by")
		public, known := keys[who]
		switch {
		case !known:
			r.fault("line %d: %s may not sign these minutes", l.Seq, who)
		case pki.Verify(public, minutesStatement(r.Ceremony, closed.Hash), l.Data) != nil:
			r.fault("line %d: the signature of %s does not verify", l.Seq, who)
		case !slices.Contains(by, who):
			by = append(by, who)
		}
	}
	n := len(slices.DeleteFunc(slices.Clone(by), func(who string) bool { return !strings.HasPrefix(who, "officer ") }))
	required, _ := strconv.Atoi(lines[0].fact("required"))
	if seal != "" && !slices.Contains(by, "key "+seal) || seal == "" && n < required {
		r.fault("the minutes are not signed: %d of %d officers, and no key of the plan", n, required)
	} else {
		r.holds("signed by %s", strings.Join(by, ", "))
	}
}

// sealKey is the public key that seals: the one that the closing line names,
// which is the one that a step generated, if one did.
func (r *Report) sealKey(lines []Line, closed *Line, seal string) (crypto.PublicKey, error) {
	encoded, err := base64.StdEncoding.DecodeString(closed.fact("seal"))
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if l.Event == eventDone && l.fact("key") == seal && string(l.Data) != string(encoded) {
			return nil, errors.New("it is not the one that was generated")
		}
	}
	r.holds("the minutes' key %s: sha256 %s", seal, hash(encoded))
	return parsePublic(encoded)
}

// stamp checks the time-stamp over the minutes.
func (r *Report) stamp(lines []Line, v Verification) {
	stamp, request := find(lines, eventStamp, ""), find(lines, eventRequest, "")
	if stamp == nil {
		r.holds("not time-stamped")
		return
	}
	of, err := strconv.Atoi(stamp.fact("of"))
	if err != nil || request == nil || request.fact("of") != stamp.fact("of") || of < 1 || of >= request.Seq || lines[of-1].Hash != request.fact("imprint") ||
		find(lines[:of], eventClosed, "") == nil {
		r.fault("line %d: the time-stamp is not over the closed minutes", stamp.Seq)
		return
	}
	roots := v.Roots
	if len(roots) == 0 && len(stamp.Inputs) == 2 {
		if roots, err = readInput(v.Dir, stamp.Inputs[1].Path); err != nil {
			r.fault("line %d: the roots of the time-stamp: %v", stamp.Seq, err)
			return
		}
	}
	if v.Stamps == nil {
		r.fault("line %d: there is nothing to check the time-stamp with", stamp.Seq)
		return
	}
	at, err := checkStamp(v.Stamps, request.Data, stamp.Data, roots, lines[of-1].Hash)
	switch {
	case err != nil:
		r.fault("line %d: the time-stamp: %v", stamp.Seq, err)
	case at.UTC().Format("2006-01-02T15:04:05Z") != stamp.fact("time"):
		r.fault("line %d: the time-stamp is of %s", stamp.Seq, when(at))
	default:
		r.holds("time-stamped: existed at %s", when(at))
	}
}

// files checks the files that the minutes name against their hashes. Inputs
// that are not there any more were brought in and may have been taken away.
func (r *Report) files(lines []Line, v Verification) {
	whole, absent := 0, 0
	for _, l := range lines {
		for _, f := range l.Outputs {
			if data, err := os.ReadFile(filepath.Join(v.Dir, filepath.FromSlash(f.Path))); err != nil {
				r.fault("the output %s: %v", f.Path, err)
			} else if hash(data) != f.SHA256 {
				r.fault("the output %s is not the file that was written", f.Path)
			} else {
				whole++
			}
		}
		for _, f := range l.Inputs {
			data, err := os.ReadFile(filepath.Join(v.Dir, filepath.FromSlash(f.Path)))
			switch {
			case errors.Is(err, fs.ErrNotExist):
				absent++
			case err != nil:
				r.fault("the input %s: %v", f.Path, err)
			case hash(data) != f.SHA256:
				r.fault("the input %s is not the file that was read", f.Path)
			}
		}
	}
	r.holds("%d outputs are as they were written; %d inputs are not there any more", whole, absent)
}
