package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxLine bounds a line with its newline, so that a reader needs no more
	// memory than this.
	maxLine = 64 << 10
	// maxAction bounds an action's name.
	maxAction = 128
)

// link is a place in the chain: what the next line builds on.
type link struct {
	// seq of the last entry; 0 before the first.
	seq uint64
	// hash of the last line, entry or checkpoint, with its newline; zero before
	// the first.
	hash [sha256.Size]byte
}

// maxFrame bounds what [link.encode] adds to a body: the number, the hash and
// the names of both.
const maxFrame = 128

// encodeBody returns an entry but for its place in the chain.
func encodeBody(now time.Time, action string, attrs []slog.Attr) ([]byte, error) {
	if action == "" || len(action) > maxAction || !utf8.ValidString(action) {
		return nil, fmt.Errorf("an action has 1 to %d octets of UTF-8", maxAction)
	}
	b := new(bytes.Buffer)
	fmt.Fprintf(b, `"time":"%s","action":`, now.UTC().Format("2006-01-02T15:04:05.000000Z"))
	if err := addJSON(b, action); err != nil {
		return nil, err
	}
	o := &object{b: b}
	b.WriteString(`,"attrs":{`)
	for _, a := range attrs {
		if err := o.add("", a); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	if b.Len() > maxLine-maxFrame {
		return nil, fmt.Errorf("the line has %d octets, more than %d", b.Len()+maxFrame, maxLine)
	}
	return b.Bytes(), nil
}

// encode returns the line that follows l, with its newline.
func (l link) encode(body []byte) []byte {
	return fmt.Appendf(nil, `{"seq":%d,%s,"prev":"%x"}`+"\n", l.seq+1, body, l.hash)
}

// next returns the place in the chain after an entry.
func (l link) next(line []byte) link {
	return link{seq: l.seq + 1, hash: sha256.Sum256(line)}
}

// sealed returns the place in the chain after a checkpoint.
func (l link) sealed(line []byte) link {
	return link{seq: l.seq, hash: sha256.Sum256(line)}
}

// object writes attributes as the members of one JSON object.
type object struct {
	b    *bytes.Buffer
	keys []string
}

// add writes an attribute. The members of a group get the group's key and a
// dot before theirs, so that every line is one flat object to search in. A key
// that is given twice is refused: a reader could see only one of the values.
func (o *object) add(prefix string, a slog.Attr) error {
	value := a.Value.Resolve()
	key := prefix + a.Key
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix = key + "."
		}
		for _, member := range value.Group() {
			if err := o.add(prefix, member); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case a.Key == "":
		return errors.New("an attribute has no key")
	case slices.Contains(o.keys, key):
		return fmt.Errorf("attribute %q is given twice", key)
	}
	if len(o.keys) > 0 {
		o.b.WriteByte(',')
	}
	o.keys = append(o.keys, key)
	if err := addJSON(o.b, key); err != nil {
		return err
	}
	o.b.WriteByte(':')
	if err := addJSON(o.b, plain(value)); err != nil {
		return fmt.Errorf("attribute %q: %w", key, err)
	}
	return nil
}

// plain returns what stands for a value in JSON.
func plain(value slog.Value) any {
	switch value.Kind() {
	case slog.KindTime:
		return value.Time().UTC().Format(time.RFC3339Nano)
	case slog.KindDuration:
		return value.Duration().String()
	case slog.KindFloat64:
		// JSON has no infinities.
		if f := value.Float64(); math.IsInf(f, 0) || math.IsNaN(f) {
			return fmt.Sprint(f)
		}
	case slog.KindAny:
		switch v := value.Any().(type) {
		case json.Marshaler:
			return v
		case error:
			return v.Error()
		case fmt.Stringer:
			return v.String()
		}
	}
	return value.Any()
}

// addJSON writes v in one line.
func addJSON(b *bytes.Buffer, v any) error {
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // Encode ends with a newline
	return nil
}

// follows checks that line, without its newline, is the entry after l in the
// form that encode gives it, and returns it or what is wrong with it.
func (l link) follows(line []byte) (Entry, error) {
	entry, err := parseLine(line)
	switch {
	case err != nil:
	case entry.Seq != l.seq+1:
		err = fmt.Errorf("its number is %d where %d belongs", entry.Seq, l.seq+1)
	case entry.prev != hex.EncodeToString(l.hash[:]):
		err = errors.New("it does not hold the hash of the line before it: that line was altered, or lines were removed or moved here")
	}
	return entry, err
}

// Entry is a line of the log as it is read back.
type Entry struct {
	Seq    uint64
	Time   time.Time
	Action string
	// Attrs is the JSON object of the attributes.
	Attrs json.RawMessage
	// Line is the entry as it stands in the log, with its newline.
	Line []byte

	prev string
}

// parseLine reads a line without its newline. It insists on the members and
// their order, so that no line means one thing to one reader and another to
// the next.
func parseLine(line []byte) (Entry, error) {
	malformed := errors.New("it is not a line of an audit log")
	var f Entry
	if !utf8.Valid(line) {
		return f, malformed
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return f, malformed
	}
	for _, member := range []struct {
		name string
		into any
	}{{"seq", &f.Seq}, {"time", &f.Time}, {"action", &f.Action}, {"attrs", &f.Attrs}, {"prev", &f.prev}} {
		if name, err := d.Token(); err != nil || name != member.name {
			return f, malformed
		}
		if err := d.Decode(member.into); err != nil {
			return f, malformed
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return f, malformed
	}
	if _, err := d.Token(); err != io.EOF {
		return f, malformed
	}
	hash, err := hex.DecodeString(f.prev)
	if err != nil || f.Seq == 0 || len(hash) != sha256.Size || f.prev != strings.ToLower(f.prev) ||
		f.Action == "" || !bytes.HasPrefix(f.Attrs, []byte("{")) {
		return f, malformed
	}
	return f, nil
}
