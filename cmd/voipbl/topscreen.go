package main

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/top"
)

// watchTop draws the screen anew at each interval, until ctx ends or a q is typed.
func (a *app) watchTop(ctx context.Context, t *top.Top, lines int, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer a.Draw([]byte("\r\x1b[J")) // away with the "^C" that the terminal shows
	keys := screen.NewKeys()
	defer keys.GiveBack()
	quit := keys.Pressed(ctx, "qQ")
	hint := "Ctrl-C ends"
	if keys != nil {
		hint = "q or Ctrl-C ends"
	}
	for {
		keys.Take()
		width, height := a.Size(topLines + topFrame) // it may have been resized
		r, err := t.Read(ctx, topRows(lines, height))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return &exit.Error{Code: exit.Usage, Err: err}
		}
		if !a.Draw(a.topScreen(r, width, height, hint)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-quit:
			return nil
		case <-time.After(interval): // after, so that a set that takes long to read leaves time between
		}
	}
}

// topScreen overwrites the last screen in place, so that nothing flickers: from the
// upper left corner, each line over the one that was there, and clear below
// (ECMA-48: CUP, EL, ED). A line is cleared before it is written, for after its last
// column the cursor still stands on that. The last line is the cursor's.
//
// The hint stands below all, if there is room.
func (a *app) topScreen(r *top.Report, width, height int, hint string) []byte {
	width = min(width, screen.Columns)
	text := strings.TrimSuffix(string(screen.Fold([]byte(topText(r, width, true)))), "\n")
	lines := append(strings.Split(text, "\n"), hint)
	var frame bytes.Buffer
	frame.WriteString("\x1b[H")
	for _, line := range lines[:min(len(lines), max(height-1, 1))] {
		line = screen.Shorten(line, width)
		if rest, ok := strings.CutPrefix(line, topWarning); ok {
			line = a.Paint(topWarning, screen.Yellow) + rest
		}
		frame.WriteString("\x1b[K" + line + "\n")
	}
	frame.WriteString("\x1b[J")
	return frame.Bytes()
}

// topWarning begins the line of a warning on the screen.
const topWarning = "warning:"

// topFrame is what stands around the sources: the first line, an empty one, the
// names of the columns, the hint, and the cursor's line.
const topFrame = 5

// topRows is how many sources to show on a screen of some height, or on none.
func topRows(asked, height int) int {
	switch {
	case asked > 0:
		return asked
	case height > 0:
		return min(max(height-topFrame, 1), maxTopLines)
	}
	return topLines
}
