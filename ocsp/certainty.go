package ocsp

import "time"

// A source may know less than the register: a replica whose authority cannot be
// reached knows how things stood when it last could, and a revocation list how
// they stood when it was made. Such a source says so, and the responder claims
// no more.
//
// RFC 6960, Section 4.2.2.1: thisUpdate is the most recent time at which the
// status is known to have been correct, and nextUpdate the time at or before
// which newer information will be available; an answer whose nextUpdate has
// passed is none. So thisUpdate stands still while the source knows nothing
// newer, nextUpdate with it, and when nextUpdate is there the responder answers
// tryLater: it goes on for as long as clients rely on answers from before the
// loss anyway (guarantee G9), and not a second longer (G2).

// until is when the status is of no use any more; zero when it was read now and
// knows no end.
func (r *Responder) until(s Status) time.Time {
	if s.NextUpdate.IsZero() && !s.ThisUpdate.IsZero() {
		return s.ThisUpdate.Add(r.validity)
	}
	return s.NextUpdate
}

// bound brings the times of an answer down to what is known of a status in it.
func (r *Responder) bound(out *response, s Status) {
	if at := s.ThisUpdate; !at.IsZero() {
		if s.State == Revoked && s.RevokedAt.After(at) {
			// Read in the same moment as the journal's end, by two clocks.
			at = s.RevokedAt
		}
		if at = at.UTC().Truncate(time.Second); at.Before(out.thisUpdate) {
			out.thisUpdate = at
		}
	}
	if end := r.until(s); !end.IsZero() {
		if end = end.UTC().Truncate(time.Second); end.Before(out.nextUpdate) {
			out.nextUpdate = end
		}
	}
}

// keptFrom is the time from which MaxAge counts for an answer: when it was made,
// or earlier when its nextUpdate would come before MaxAge is over.
func (r *Responder) keptFrom(out *response) time.Time {
	if last := out.nextUpdate.Add(-r.maxAge); last.Before(out.producedAt) {
		return last
	}
	return out.producedAt
}
