package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds of JSON that is read.
const (
	maxOctets = 32 << 20
	maxDepth  = 64
	maxValues = 1_000_000
)

// Parse reads one JSON value: map[string]any, []any, string, [json.Number], bool
// or nil. RFC 8259, Section 4 leaves to readers what a member means that stands
// twice; here it is refused.
func Parse(data []byte) (any, error) {
	if len(data) > maxOctets {
		return nil, fmt.Errorf("it is larger than %d octets", maxOctets)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8")
	}
	p := &parser{decoder: json.NewDecoder(bytes.NewReader(data))}
	p.decoder.UseNumber()
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("octet %d: something stands behind the value", p.decoder.InputOffset())
	}
	return value, nil
}

type parser struct {
	decoder *json.Decoder
	values  int
}

func (p *parser) fault(format string, args ...any) error {
	return fmt.Errorf("octet %d: %s", p.decoder.InputOffset(), fmt.Sprintf(format, args...))
}

func (p *parser) token() (json.Token, error) {
	token, err := p.decoder.Token()
	if err == io.EOF {
		return nil, p.fault("it ends early")
	}
	if err != nil {
		return nil, p.fault("%v", err)
	}
	// Half a surrogate pair reads as this, too.
	if text, ok := token.(string); ok && strings.ContainsRune(text, utf8.RuneError) {
		return nil, p.fault("a text has characters that are none")
	}
	return token, nil
}

func (p *parser) value(depth int) (any, error) {
	if p.values++; p.values > maxValues || depth > maxDepth {
		return nil, p.fault("it has more than %d values, or is deeper than %d", maxValues, maxDepth)
	}
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return p.object(depth)
	case json.Delim('['):
		all := []any{}
		for p.decoder.More() {
			one, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
		_, err := p.token()
		return all, err
	}
	return token, nil
}

func (p *parser) object(depth int) (any, error) {
	members := map[string]any{}
	for p.decoder.More() {
		token, err := p.token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, p.fault("a member has no name")
		}
		if _, twice := members[name]; twice {
			return nil, p.fault("the member %q stands twice", name)
		}
		if members[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := p.token()
	return members, err
}
