package problem

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
)

// explained is an error with its own word and remedy. what is its text in one line; if it
// is empty, Error() is used.
type explained interface {
	Explain() (reason, what, remedy string)
}

// Of returns the problem that an error describes.
func Of(err error) *Problem {
	p := &Problem{Reason: "error", Error: Line(err), Remedy: RemedyOf(err)}
	var known explained
	if errors.As(err, &known) {
		reason, what, remedy := known.Explain()
		p.Reason, p.Error = reason, cmp.Or(what, p.Error)
		// An outer error with a remedy knows more about the task.
		var remedied interface{ Remedy() string }
		if !errors.As(err, &remedied) || any(remedied) == any(known) || remedied.Remedy() == "" {
			p.Remedy = remedy
		}
	}
	if first := outerRemedy(err); first != "" {
		p.Remedy = first
	}
	return p
}

// Line returns the text of an error in one line.
func Line(err error) string { return OneLine(err.Error()) }

// OneLine joins the lines of a text.
func OneLine(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}

// IsAbsent reports whether an error means that a file or folder does not exist.
func IsAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Problem describes what is wrong, for people and programs.
type Problem struct {
	Reason string `json:"reason"` // one stable word
	Error  string `json:"error"`
	Remedy string `json:"remedy,omitempty"`
}

// Err returns the problem as an error with a remedy.
func (p *Problem) Err() error { return &problemError{p} }

type problemError struct{ *Problem }

func (e *problemError) Error() string  { return e.Problem.Error }
func (e *problemError) Remedy() string { return e.Problem.Remedy }

// If is [Of], but returns nil for nil.
func If(err error) *Problem {
	if err == nil {
		return nil
	}
	return Of(err)
}

// Digest returns a digest of a value's JSON.
func Digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // cannot fail: plain data
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

const RunSync = "run \"voipbl sync\""
