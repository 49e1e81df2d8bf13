package crl_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bouncyCastle is where Debian puts it.
const bouncyCastle = "/usr/share/java/bcprov.jar"

// question is what a validator of Java's is asked: whether a certificate is
// valid, going by lists.
type question struct {
	name, provider string
	c              *centre
	leaf           string
	lists          []string
	want           string // how the answer begins
	says           string // the reasons that the lists give; empty if it does not matter
}

// What validators say of a certificate that the lists have, and of one that
// they do not tell of. Bouncy Castle gives its reasons in words.
var (
	refused = map[string]string{"SUN": "refused: REVOKED", "BC": "refused: UNSPECIFIED: Certificate revocation"}
	unknown = map[string]string{"SUN": "refused: UNDETERMINED", "BC": "refused: UNSPECIFIED: No "}
)

// TestJava has the validators of the JDK and of Bouncy Castle go by the
// published lists. The JDK's knows no delta lists, Bouncy Castle's does. One
// virtual machine, which takes a second to start, answers everything.
func TestJava(t *testing.T) {
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("no Java compiler is installed (Debian: default-jdk-headless)")
	}
	if _, err := os.Stat(bouncyCastle); err != nil {
		t.Skip("Bouncy Castle is not installed (Debian: libbcprov-java)")
	}
	questions := slices.Concat(aboutDeltas(t), aboutPartitions(t), aboutIndirect(t), aboutJoint(t))
	var asked strings.Builder
	for _, q := range questions {
		anchor := writePEM(t, "ca.pem", "CERTIFICATE", q.c.ca.Raw)
		fmt.Fprintln(&asked, strings.Join(append([]string{q.provider, anchor, q.leaf}, q.lists...), "\t"))
	}
	java := exec.Command("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", bouncyCastle, filepath.Join("testdata", "Validate.java"))
	java.Stdin, java.Stderr = strings.NewReader(asked.String()), t.Output()
	out, err := java.Output()
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(answers) != len(questions) {
		t.Fatalf("java: %v, %d answers to %d questions:\n%s", err, len(answers), len(questions), out)
	}
	for i, q := range questions {
		t.Run(q.name, func(t *testing.T) {
			if !strings.HasPrefix(answers[i], q.want) || !strings.HasSuffix(answers[i], q.says) {
				t.Errorf("%s says %q, want %q and %q", q.provider, answers[i], q.want, q.says)
			}
		})
	}
}

// keep copies a published list, as the next one takes its place.
func (c *centre) keep(t *testing.T, path string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), path)
	if err := os.WriteFile(name, readFile(t, filepath.Join(c.Dir, path)), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func aboutDeltas(t *testing.T) (questions []question) {
	c := newCentre(t, p256(t)).withDelta()
	p := c.publisher(t)
	c.put(entry(0x101, 6))
	c.put(entry(0x104, 1))
	c.publish(t, p)
	base := c.keep(t, "ehm.crl")
	c.take(0x101)
	c.put(entry(0x102, 1))
	c.publishDelta(t, p)
	delta := c.keep(t, "ehm-delta.crl")
	// A process knows no base of an earlier one's.
	c.put(entry(0x101, 6))
	p = c.publisher(t)
	c.publishDelta(t, p)
	later := c.keep(t, "ehm.crl")
	c.put(entry(0x105, 1))
	c.publishDelta(t, p)
	deltaOnLater := c.keep(t, "ehm-delta.crl")

	leaves := make(map[int64]string)
	for serial := int64(0x101); serial <= 0x105; serial++ {
		leaves[serial] = c.leafOf(t, serial, "http://127.0.0.1:1/ehm.crl", "http://127.0.0.1:1/ehm-delta.crl")
	}
	ask := func(name, provider string, serial int64, want string, lists ...string) *question {
		questions = append(questions, question{name: name, provider: provider, c: c, leaf: leaves[serial], lists: lists, want: want})
		return &questions[len(questions)-1]
	}
	ask("CRL-25 what is revoked in the base, with a delta", "BC", 0x104, refused["BC"], base, delta)
	ask("CRL-25 what is revoked in the delta only, by the base alone", "BC", 0x102, "valid", base)
	ask("CRL-25 what is revoked in the delta only, with it", "BC", 0x102, refused["BC"], base, delta)
	ask("CRL-25 what is good, with a delta", "BC", 0x103, "valid", base, delta)
	ask("CRL-26 what is held in the base and released in the delta, by the base alone", "BC", 0x101, refused["BC"], base)
	ask("CRL-26 what is held in the base and released in the delta, with it", "BC", 0x101, "valid", base, delta)
	// RFC 5280, Section 5.2.4: neither a complete list before the base nor one
	// after the delta may be combined with it.
	ask("CRL-25 a delta on a later base, with that", "BC", 0x105, refused["BC"], later, deltaOnLater)
	ask("CRL-25 a delta on a later base, with an earlier one", "BC", 0x105, "valid", base, deltaOnLater)
	ask("CRL-25 a delta before the complete list", "BC", 0x101, refused["BC"], later, delta)
	ask("CRL-25 a delta alone", "BC", 0x103, unknown["BC"], delta)
	// The JDK goes by the complete list: the critical deltaCRLIndicator keeps it
	// from the delta and from nothing else.
	ask("CRL-25 the JDK with both: revoked in the base", "SUN", 0x104, refused["SUN"], base, delta)
	ask("CRL-25 the JDK with both: held in the base", "SUN", 0x101, refused["SUN"], base, delta).says = "[CERTIFICATE_HOLD, REMOVE_FROM_CRL]"
	ask("CRL-25 the JDK with both: not in the base", "SUN", 0x102, "valid", base, delta).says = "[none, KEY_COMPROMISE]"
	ask("CRL-25 the JDK with both: good", "SUN", 0x103, "valid", delta, base)
	ask("CRL-25 the JDK with the delta alone", "SUN", 0x103, unknown["SUN"], delta)
	return questions
}

func aboutPartitions(t *testing.T) (questions []question) {
	c := newCentre(t, p256(t)).partitioned()
	p := c.publisher(t)
	c.put(entry(0x101, 6))
	c.put(entry(0x102, 1))
	c.publish(t, p)
	var lists, deltas []string
	for shard := range 4 {
		lists = append(lists, c.keep(t, fmt.Sprintf("ehm-%d.crl", shard)))
	}
	c.take(0x101)
	c.put(entry(0x106, 1))
	c.publishDelta(t, p)
	for shard := range 4 {
		deltas = append(deltas, c.keep(t, fmt.Sprintf("ehm-%d-delta.crl", shard)))
	}
	leaf := func(serial int64) string {
		url := strings.ReplaceAll(shardURL, "{shard}", fmt.Sprint(serial%4))
		return c.leafOf(t, serial, url, strings.ReplaceAll(url, ".crl", "-delta.crl"))
	}
	released, revoked, revokedSince, good := leaf(0x101), leaf(0x102), leaf(0x106), leaf(0x10a)
	all := append(append([]string{}, deltas...), lists...)
	ask := func(name, provider, leaf, want string, lists ...string) {
		questions = append(questions, question{name: name, provider: provider, c: c, leaf: leaf, lists: lists, want: want})
	}
	for _, provider := range []string{"SUN", "BC"} {
		ask("CRL-13 "+provider+" with the certificate's own list: good", provider, good, "valid", lists[2])
		ask("CRL-13 "+provider+" with the certificate's own list: revoked", provider, revoked, refused[provider], lists[2])
		ask("CRL-13 "+provider+" with another list", provider, good, unknown[provider], lists[1], deltas[1])
		ask("CRL-13 "+provider+" with all lists: good", provider, good, "valid", all...)
		ask("CRL-13 "+provider+" with all lists: revoked", provider, revoked, refused[provider], all...)
	}
	ask("CRL-25 revoked in the partition's delta only", "BC", revokedSince, refused["BC"], lists[2], deltas[2])
	ask("CRL-25 revoked in the partition's delta only, among all", "BC", revokedSince, refused["BC"], all...)
	ask("CRL-25 another partition's delta", "BC", revokedSince, "valid", lists[2], deltas[1])
	ask("CRL-26 released in the partition's delta", "BC", released, "valid", lists[1], deltas[1])
	ask("CRL-26 released in the partition's delta, by the complete list", "BC", released, refused["BC"], lists[1])
	ask("CRL-25 the JDK goes by the partition's complete list", "SUN", released, refused["SUN"], all...)
	return questions
}

func aboutIndirect(t *testing.T) (questions []question) {
	root, below, signer := oneSigner(t)
	known := []string{writePEM(t, "signer.pem", "CERTIFICATE", signer.Raw), root.keep(t, "ehm.crl")}
	var lists, deltas []string
	for i, c := range below {
		c.put(entry(0x100, 6))
		c.put(entry(0x101, 6))
		c.put(entry(int64(0x102+i), 1))
		p := c.publisher(t)
		c.publish2(t, p)
		lists = append(lists, c.keep(t, "ehm.crl"))
		c.put(entry(0x100, 1))
		c.take(0x101)
		c.publishDelta(t, p)
		deltas = append(deltas, c.keep(t, "ehm-delta.crl"))
	}
	for i, c := range below {
		path := func(serial int64) string {
			return c.indirectLeaf(t, serial) + "," + writePEM(t, "ca.pem", "CERTIFICATE", c.ca.Raw)
		}
		first, held, revoked, good := path(0x100), path(0x101), path(int64(0x102+i)), path(int64(0x103-i))
		for _, provider := range []string{"SUN", "BC"} {
			ask := func(name, leaf, want string, lists ...string) {
				name = fmt.Sprintf("CRL-18 %s, %s, authority %d of one signer", provider, name, i)
				questions = append(questions, question{name: name, provider: provider, c: root, leaf: leaf, lists: append(lists, known...), want: want})
			}
			// Bouncy Castle does not know the certificateIssuer that stands at the first
			// entry, and errs on the safe side.
			ask("the first entry", first, map[string]string{"SUN": refused["SUN"], "BC": unknown["BC"]}[provider], lists...)
			ask("revoked", revoked, refused[provider], lists...)
			ask("the other's serial", good, "valid", lists...)
			ask("the other's list alone", good, unknown[provider], lists[1-i])
			ask("held", held, refused[provider], lists...)
			want := map[string]string{"SUN": refused["SUN"], "BC": "valid"}[provider]
			ask("released in the delta", held, want, append(lists, deltas...)...)
		}
	}
	return questions
}

func aboutJoint(t *testing.T) (questions []question) {
	root, c, two, signer := joint(t)
	jointLists(t, c)
	complete := []string{c.keep(t, "ehm.crl"), writePEM(t, "signer.pem", "CERTIFICATE", signer.Raw), root.keep(t, "ehm.crl")}
	both := append([]string{c.keep(t, "ehm-delta.crl")}, complete...)
	for i, of := range []*centre{c, two} {
		ask := func(name, provider string, serial int64, want string, lists []string) {
			path := of.indirectLeaf(t, serial) + "," + writePEM(t, "ca.pem", "CERTIFICATE", of.ca.Raw)
			name = fmt.Sprintf("CRL-18 %s, %s, authority %d on a joint list", provider, name, i)
			questions = append(questions, question{name: name, provider: provider, c: root, leaf: path, lists: lists, want: want})
		}
		for _, provider := range []string{"SUN", "BC"} {
			ask("revoked", provider, int64(0x102+i), refused[provider], complete)
			ask("the other's serial", provider, int64(0x103-i), "valid", complete)
			ask("good", provider, 0x106, "valid", complete)
		}
		// Bouncy Castle goes by the first entry of a serial, whosever it is.
		ask("revoked by both", "SUN", 0x100, refused["SUN"], complete)
		ask("held by both", "SUN", 0x101, refused["SUN"], complete)
		ask("with both lists", "SUN", 0x101, refused["SUN"], both)
		ask("good by both lists", "BC", 0x106, "valid", both)
		ask("revoked in the base, by both lists", "BC", int64(0x102+i), refused["BC"], both)
	}
	return questions
}
