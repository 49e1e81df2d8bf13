package ceremony

// Reached sets what is called between durable effects.
func (c *Config) Reached(f func(point string)) { c.reached = f }

// Digest computes a line's hash.
func Digest(l Line) string {
	digest, err := l.digest()
	if err != nil {
		panic(err)
	}
	return digest
}

var (
	ParseMinutes     = parseMinutes
	DecodeConfirm    = decodeConfirmation
	MinutesStatement = minutesStatement
	ErrTorn          = errTorn
)

const (
	EventIntent = eventIntent
	EventDone   = eventDone
)
