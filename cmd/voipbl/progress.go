package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
)

const (
	progressAfter = time.Second // quick downloads show nothing
	progressEvery = 200 * time.Millisecond
)

// progress shows on a terminal how far a slow download is.
type progress struct {
	w     io.Writer // nil if it is no terminal
	mu    sync.Mutex
	begun time.Time
	last  time.Time
	shown bool
}

func newProgress(o *output) *progress {
	p := &progress{begun: time.Now()}
	if o.terminal {
		p.w = o.Writer // not folded: the line has to stay one
	}
	return p
}

func (p *progress) show(feed string, got, total int64) {
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
	line := fmt.Sprintf("fetching %s: %s", shorten(feed, 30), humanize.IBytes(uint64(got)))
	if total > 0 && got <= total {
		line += fmt.Sprintf(" of %s (%d%%)", humanize.IBytes(uint64(total)), got*100/total)
	}
	fmt.Fprint(p.w, "\r\x1b[K"+line)
}

// clear takes the line away.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
