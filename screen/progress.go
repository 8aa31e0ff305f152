package screen

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	progressAfter = time.Second // quick downloads show no progress
	progressEvery = 200 * time.Millisecond
)

// Progress shows the progress of a slow download on a terminal.
type Progress struct {
	w     io.Writer // nil if there is no terminal
	mu    sync.Mutex
	begun time.Time
	last  time.Time
	shown bool
}

func NewProgress(o *Output) *Progress {
	p := &Progress{begun: time.Now()}
	if o.Terminal {
		p.w = o.Writer // not folded: it must stay one line
	}
	return p
}

func (p *Progress) Show(feed string, got, total int64) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.begun) < progressAfter || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	line := fmt.Sprintf("fetching %s: %s", Shorten(feed, 30), humanize.IBytes(uint64(got)))
	if total > 0 && got <= total {
		line += fmt.Sprintf(" of %s (%d%%)", humanize.IBytes(uint64(total)), got*100/total)
	}
	fmt.Fprint(p.w, "\r\x1b[K"+line)
}

// Clear erases the line.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
