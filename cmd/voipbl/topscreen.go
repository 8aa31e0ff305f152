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

// watchTop redraws the screen at each interval, until ctx ends or q is pressed.
func (a *app) watchTop(ctx context.Context, t *top.Top, lines int, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer a.Draw([]byte("\r\x1b[J")) // erases the "^C" that the terminal shows
	keys := screen.NewKeys()
	defer keys.GiveBack()
	quit := keys.Pressed(ctx, "qQ")
	hint := "Ctrl-C ends"
	if keys != nil {
		hint = "q or Ctrl-C ends"
	}
	for {
		keys.Take()
		width, height := a.Size(topLines + topFrame) // the terminal may have been resized
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
		case <-time.After(interval): // counted from here, so that there is a pause even if reading a set takes long
		}
	}
}

// topScreen draws the screen over the last one, without flicker: from the upper left corner, line
// by line, and then clears below (ECMA-48: CUP, EL, ED). It clears a line before writing it, since
// after writing the last column the cursor is still on that column. The last line is left to the
// cursor.
//
// The hint goes below everything, if there is room.
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

// topWarning starts a line with a warning.
const topWarning = "warning:"

// topFrame is the number of lines besides the sources: the first line, an empty one, the column
// names, the hint, and the cursor's line.
const topFrame = 5

// topRows returns how many sources to show: asked, or what fits on a screen of this height.
func topRows(asked, height int) int {
	switch {
	case asked > 0:
		return asked
	case height > 0:
		return min(max(height-topFrame, 1), maxTopLines)
	}
	return topLines
}
