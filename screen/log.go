package screen

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
)

// NewLog returns the agent's log. For the journal, a line begins with its priority (sd-daemon(3))
// and has no time, since the journal adds that.
func NewLog(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	if os.Getenv("JOURNAL_STREAM") == "" {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(newJournal(w, level))
}

// journal writes "<4>words key=value".
type journal struct {
	mu    *sync.Mutex
	out   io.Writer
	line  *bytes.Buffer
	attrs slog.Handler // writes "key=value" into line
}

func newJournal(w io.Writer, level slog.Level) *journal {
	line := new(bytes.Buffer)
	drop := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return a
	}
	return &journal{new(sync.Mutex), w, line, slog.NewTextHandler(line, &slog.HandlerOptions{Level: level, ReplaceAttr: drop})}
}

func (j *journal) Enabled(ctx context.Context, l slog.Level) bool { return j.attrs.Enabled(ctx, l) }

func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.line.Reset()
	if err := j.attrs.Handle(ctx, r); err != nil {
		return err
	}
	text := r.Message
	if attrs := strings.TrimSpace(j.line.String()); attrs != "" {
		text += " " + attrs
	}
	_, err := fmt.Fprintf(j.out, "<%d>%s\n", priority(r.Level), Clean(text))
	return err
}

func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journal{j.mu, j.out, j.line, j.attrs.WithAttrs(attrs)}
}

func (j *journal) WithGroup(name string) slog.Handler {
	return &journal{j.mu, j.out, j.line, j.attrs.WithGroup(name)}
}

// priority returns the priority of syslog(3).
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}
