package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/voipbl/voipbl/internal/problem"
	"golang.org/x/term"
)

// Screen is where a command prints: for a person, or as JSON for a program.
type Screen struct {
	out, err *output
	json     bool // a program asked
}

// newScreen is a screen that prints on these two.
func newScreen(out, err io.Writer) *Screen { return &Screen{out: newOutput(out), err: newOutput(err)} }

// paint colours a word on a terminal. The word says the same without.
func (on *Screen) paint(word string, colour int) string {
	if !on.out.terminal || os.Getenv("NO_COLOR") != "" {
		return word
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, word)
}

// folded prints a text that may be long, also where nobody watches.
func (on *Screen) folded(text string) { on.out.Write(fold([]byte(clean(text) + "\n"))) }

// The colours of SGR (ECMA-48 §8.3.117).
const (
	red    = 31
	green  = 32
	yellow = 33
)

// printJSON prints v; an error of the output is noticed there.
func (on *Screen) printJSON(v any) {
	enc := json.NewEncoder(on.out)
	enc.SetIndent("", "  ")
	enc.Encode(v)
}

// showError prints what failed and, on lines of their own, what to do next. For
// programs that asked for JSON it says so there too.
func (on *Screen) showError(err error) {
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintln(on.err, "voipbl: "+clean(strings.ReplaceAll(line, "\t", "  ")))
	}
	remedy := problem.RemedyOf(err)
	var numbered interface{ Numbered() string }
	if errors.As(err, &numbered) && numbered.Numbered() != "" {
		fmt.Fprintln(on.err, "  it was given, with line numbers:")
		for line := range strings.Lines(numbered.Numbered()) {
			fmt.Fprintln(on.err, "  "+clean(strings.TrimSuffix(line, "\n")))
		}
	}
	if remedy != "" {
		fmt.Fprintln(on.err, "  try: "+clean(remedy))
	}
	if on.json && !on.out.used {
		on.printJSON(map[string]any{"error": map[string]string{"error": err.Error(), "remedy": remedy}})
	}
}

// showWaiting says on a terminal why nothing happens.
func (on *Screen) showWaiting(holder string) {
	if on.err.terminal {
		fmt.Fprintf(on.err, "waiting for %s\n", clean(holder))
	}
}

// draw writes what positions itself, so it is not folded. It reports whether it could.
func (on *Screen) draw(frame []byte) bool {
	if _, err := on.out.Writer.Write(frame); err != nil {
		on.out.failed = err
		return false
	}
	return true
}

// size is how large the terminal is, or 0 and 0. One that does not say has so many lines.
func (on *Screen) size(lines int) (width, height int) {
	f, ok := on.out.Writer.(*os.File)
	if !on.out.terminal || !ok {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 { // such as a serial line
		return columns, lines
	}
	return width, height
}
