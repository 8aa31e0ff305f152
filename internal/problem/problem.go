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

// explained is an error that has a word of its own for what failed, and says what a person
// can do about it. what is its text in one line; empty where Error() has it.
type explained interface {
	Explain() (reason, what, remedy string)
}

// Of describes an error.
func Of(err error) *Problem {
	p := &Problem{Reason: "error", Error: Line(err), Remedy: RemedyOf(err)}
	var known explained
	if errors.As(err, &known) {
		reason, what, remedy := known.Explain()
		p.Reason, p.Error = reason, cmp.Or(what, p.Error)
		// Whoever has met it and says what to do knows what it was for.
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

// Line is the text of an error that may be several.
func Line(err error) string { return OneLine(err.Error()) }

// OneLine is a text of several lines in one.
func OneLine(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}

// IsAbsent reports whether an error is that a file or folder is not there.
func IsAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Problem is what is wrong, for people and for programs.
type Problem struct {
	Reason string `json:"reason"` // one stable word
	Error  string `json:"error"`
	Remedy string `json:"remedy,omitempty"`
}

// Err is the problem as an error, with its remedy.
func (p *Problem) Err() error { return &problemError{p} }

type problemError struct{ *Problem }

func (e *problemError) Error() string  { return e.Problem.Error }
func (e *problemError) Remedy() string { return e.Problem.Remedy }

// If describes an error, and returns nil for none.
func If(err error) *Problem {
	if err == nil {
		return nil
	}
	return Of(err)
}

// Digest is a name for a value: that of its JSON form.
func Digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own plain data
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

const RunSync = "run \"voipbl sync\""
