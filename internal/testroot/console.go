package testroot

import (
	"bytes"
	"sync"
)

// consoleTail is how many bytes of a console are kept: about sixty lines.
const consoleTail = 6 << 10

// Console keeps the end of what is written to it.
type Console struct {
	mu  sync.Mutex
	end []byte
}

func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = append(c.end, p...)
	if over := len(c.end) - consoleTail; over > 0 {
		c.end = bytes.Clone(c.end[over:])
	}
	return len(p), nil
}

// Tail returns the end that it has kept.
func (c *Console) Tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.end)
}
