package show

import (
	"fmt"
	"time"

	"github.com/voipbl/voipbl/outbox"
	"github.com/voipbl/voipbl/screen"
)

// Attacker describes in a line what happened to the report of an address, or would.
func Attacker(r *outbox.Report, now time.Time) string {
	waits := ""
	if r.Due.After(now) {
		waits = " in " + screen.Span(r.Due.Sub(now))
	}
	words := ""
	switch {
	case !r.Waits() && r.DryRun:
		return "(dry run) " + r.Words()
	case !r.Waits():
		return r.Words()
	case r.DryRun && waits == "":
		words = "would be sent at once"
	case r.DryRun:
		words = "would wait, and be sent" + waits + " or later"
	case waits == "":
		words = "waits"
	default:
		words = "waits, and is sent" + waits + " or later"
	}
	if r.Why != "" {
		words += ": " + r.Why
	}
	return words
}

// Reports describes in a line the reports that wait to be sent.
func Reports(s *outbox.OutboxStatus, now time.Time) string {
	if s.Problem != nil {
		return screen.Clean(s.Problem.Error)
	}
	words := screen.Count(len(s.Queue)) + " waiting"
	if s.Due.After(now) {
		words += ", the next is due in " + screen.Span(s.Due.Sub(now))
	} else if !s.Due.IsZero() {
		words += ", the next is due now"
	}
	words += ", the last was sent " + screen.Ago(s.LastSent, now)
	if s.LastSent.IsZero() {
		words = words[:len(words)-len("the last was sent never")] + "none was sent yet"
	}
	if f := s.LastError; f != nil {
		words += fmt.Sprintf("; last error %s: %s", screen.Ago(f.At, now), screen.Clean(f.Error))
	}
	return words
}
