package ceremony

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Run carries the plan out, from where an earlier run ended if there was one.
// It returns nil when every step is done and the minutes are closed; that they
// are not signed or time-stamped yet is said and not an error.
func (c *Ceremony) Run(ctx context.Context) (err error) {
	now := time.Now()
	path := MinutesFile(c.Plan, c.Dir)
	there, err := exists(path)
	if err != nil {
		return fmt.Errorf("opening minutes: %w", err)
	}
	if !there {
		// Nothing is written until everything speaks for it.
		if err := c.checkClock(now); err != nil {
			return err
		}
		if _, err := c.gate(); err != nil {
			return err
		}
	}
	if c.minutes, err = openMinutes(path); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.minutes.close()) }()
	if find(c.minutes.lines, eventClosed, "") == nil {
		if err := c.checkClock(now); err != nil {
			return err
		}
		if err := c.begin(); err != nil {
			return err
		}
		if c.register, err = c.Register(ctx); err != nil {
			return err
		}
		err := c.steps(ctx)
		if err := errors.Join(err, c.register.Close()); err != nil {
			return err
		}
		if err := c.close(); err != nil {
			return err
		}
	} else if err := c.same(); err != nil {
		return err
	} else {
		c.say("every step was done by %s; nothing is signed again", find(c.minutes.lines, eventClosed, "").At.Format(time.RFC3339))
		for i := range c.Plan.Steps {
			if err := c.restore(&c.Plan.Steps[i]); err != nil {
				return err
			}
		}
	}
	if err := c.seal(); err != nil {
		return err
	}
	return c.writeText()
}

// gate refuses what a ceremony must not begin with: too few confirmations,
// outputs or keys that exist.
func (c *Ceremony) gate() ([]confirmed, error) {
	found, err := readConfirmations(c.Plan, c.Dir, c.manifest.Hash(), c.officers)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = f.Officer
	}
	if err := enough(c.Plan.Required, c.Plan.Operator, names); err != nil {
		return nil, err
	}
	return found, c.clear()
}

// clear refuses outputs and keys that exist.
func (c *Ceremony) clear() error {
	var failed []error
	for i := range c.Plan.Steps {
		if out := c.Plan.output(&c.Plan.Steps[i]); out != "" {
			if there, err := exists(c.path(out)); err != nil || there {
				failed = append(failed, errors.Join(err, fmt.Errorf("the output %s of step %s exists", out, c.Plan.Steps[i].ID)))
			}
		}
	}
	for _, k := range c.Plan.Keys {
		if k.Algorithm == "" {
			continue
		}
		if _, err := c.Keys.Open(k.URI); err == nil {
			failed = append(failed, fmt.Errorf("the key %s that is to be generated exists", k.Name))
		} else if !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, fmt.Errorf("the key %s that is to be generated: %w", k.Name, err))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return &Refusal{err, "nothing that exists is overwritten: a new ceremony has new outputs and keys"}
	}
	return nil
}

// begin writes the head of the minutes, as far as it is not there.
func (c *Ceremony) begin() error {
	lines := c.minutes.lines
	if len(lines) > 0 {
		if err := c.same(); err != nil {
			return err
		}
		text := "an interrupted ceremony goes on"
		if c.minutes.torn {
			text += "; the last line had been cut off in writing and is removed"
		}
		last := lines[len(lines)-1]
		c.say("the ceremony was interrupted at %s, after %q; it goes on", last.At.Format(time.RFC3339), strings.TrimSpace(last.Event+" "+last.Step))
		if err := c.line(Line{Event: eventResumed, Text: text, Facts: c.where()}); err != nil {
			return err
		}
	} else if err := c.open(); err != nil {
		return err
	}
	if find(c.minutes.lines, eventBegun, "") != nil {
		return c.stillConfirmed()
	}
	found, err := c.gate()
	if err != nil {
		return err
	}
	for _, f := range found {
		if c.confirmedBy(f.Officer) {
			continue
		}
		if err := c.line(Line{Event: eventConfirmed, Text: f.Officer + " has confirmed the plan", Facts: []Fact{{"officer", f.Officer}},
			Inputs: []File{f.file}, Data: f.data}); err != nil {
			return err
		}
		c.say("confirmed by %s at %s", f.Officer, f.At.Format(time.RFC3339))
	}
	return c.line(Line{Event: eventBegun, Text: "enough officers have confirmed the plan, and no output or key is in the way"})
}

// stillConfirmed verifies the confirmations in the minutes again: whoever works
// the machine can write a file, but not the officers' signatures.
func (c *Ceremony) stillConfirmed() error {
	var names []string
	for _, l := range c.minutes.lines {
		if l.Event != eventConfirmed {
			continue
		}
		confirmation, err := decodeConfirmation(l.Data)
		if err == nil {
			err = confirmation.check(c.Plan.Ceremony, c.manifest.Hash(), c.officers)
		}
		if err != nil {
			return refuse("keep the file as it is and compare it with its copies", "line %d of the minutes: %w", l.Seq, err)
		}
		names = append(names, confirmation.Officer)
	}
	return enough(c.Plan.Required, c.Plan.Operator, names)
}

func (c *Ceremony) confirmedBy(name string) bool {
	for _, l := range c.minutes.lines {
		if l.Event == eventConfirmed && l.fact("officer") == name {
			return true
		}
	}
	return false
}

// where says by what program and machine a run is done.
func (c *Ceremony) where() []Fact {
	facts := []Fact{{"tool", c.Tool}}
	if c.Plan.Host {
		facts = append(facts, Fact{"host", c.Host})
	}
	return facts
}

func (c *Ceremony) open() error {
	// The folder of the minutes may be read on another machine: what they name
	// is found from it.
	base, err := filepath.Rel(filepath.FromSlash(c.Plan.Minutes), ".")
	if err != nil {
		return fmt.Errorf("opening minutes: %w", err)
	}
	facts := append(c.where(), Fact{"ceremony", c.Plan.Ceremony}, Fact{"plan", c.manifest.Hash()}, Fact{"base", filepath.ToSlash(base)},
		Fact{"required", strconv.Itoa(c.Plan.Required)}, Fact{"operator", c.Plan.Operator}, Fact{"seal", c.Plan.Seal})
	for _, o := range c.officers {
		facts = append(facts, Fact{"officer " + o.name, base64.StdEncoding.EncodeToString(o.spki)})
	}
	return c.line(Line{Event: eventOpened, Text: c.Plan.Title, Facts: facts, Inputs: c.manifest.Files, Data: []byte(c.manifest.Text())})
}

// same refuses to go on with another plan than the minutes are of.
func (c *Ceremony) same() error {
	if opened := c.minutes.lines[0]; opened.Event != eventOpened || opened.fact("plan") != c.manifest.Hash() {
		return refuse("go on with the plan and files of the minutes; another plan is another ceremony with another name",
			"the plan or a file that it brings in is not what it was when the ceremony began: its hash is %s, in the minutes it is %s", c.manifest.Hash(), opened.fact("plan"))
	}
	return nil
}

func (c *Ceremony) path(name string) string { return filepath.Join(c.Dir, filepath.FromSlash(name)) }

// steps does what is not done.
func (c *Ceremony) steps(ctx context.Context) error {
	for i := range c.Plan.Steps {
		s := &c.Plan.Steps[i]
		c.audited = s.ID
		if find(c.minutes.lines, eventDone, s.ID) != nil {
			c.say("%d. %s: was done before", i+1, s.ID)
			if err := c.restore(s); err != nil {
				return err
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("step %s: %w", s.ID, err)
		}
		if err := c.step(ctx, s); err != nil {
			err = fmt.Errorf("step %s: %w", s.ID, err)
			// If this line cannot be written either, the error says why.
			return errors.Join(err, c.minutes.append(Line{Event: eventStopped, Step: s.ID, Text: err.Error()}))
		}
		if err := c.restore(s); err != nil {
			return err
		}
		c.say("%d. %s: %s", i+1, s.ID, find(c.minutes.lines, eventDone, s.ID).Text)
	}
	return nil
}

// restore sees to it that the file of a step that is done is on the disk: its
// bytes have been in the minutes since before it was written.
func (c *Ceremony) restore(s *Step) error {
	out := c.Plan.output(s)
	if out == "" {
		return nil
	}
	done := find(c.minutes.lines, eventDone, s.ID)
	if len(done.Outputs) != 1 || done.Outputs[0].Path != out {
		return fmt.Errorf("step %s: the minutes name another output than the plan", s.ID)
	}
	data := encodeOutput(out, s.Do, done.Data)
	c.outputs[out] = data
	if c.dry {
		return nil
	}
	if there, err := os.ReadFile(c.path(out)); err == nil && string(there) == string(data) {
		return nil
	}
	if err := writeNew(c.path(out), data); err != nil {
		return fmt.Errorf("step %s: %w", s.ID, err)
	}
	c.reached("output " + s.ID)
	return nil
}

// read returns a file of the plan: an output that was made, or an input.
func (c *Ceremony) read(name string) ([]byte, error) {
	if data, ok := c.outputs[name]; ok {
		return data, nil
	}
	data, err := readInput(c.Dir, name)
	if err != nil {
		return nil, err
	}
	// What was hashed for the officers is what is used.
	for _, f := range c.manifest.Files {
		if f.Path == name && f.SHA256 != hash(data) {
			return nil, fmt.Errorf("reading input: %s has changed since the ceremony began", name)
		}
	}
	return data, nil
}

// step does one step and ends with its line in the minutes.
func (c *Ceremony) step(ctx context.Context, s *Step) error {
	switch s.Do {
	case DoGenerate:
		return c.generate(s)
	case DoRequest:
		return c.request(s)
	case DoList:
		return c.list(ctx, s)
	case DoRevoke:
		return c.revoke(ctx, s)
	}
	return c.certify(ctx, s)
}

// intent writes what the step is about to do, unless an earlier run did.
func (c *Ceremony) intent(l Line) error {
	if find(c.minutes.lines, eventIntent, l.Step) != nil {
		return nil
	}
	l.Event = eventIntent
	return c.line(l)
}
