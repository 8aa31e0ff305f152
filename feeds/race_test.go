//go:build race

package feeds

// mostBytes allows for the race detector, which has each sync.Pool forget a part of what it
// holds at random: here buffers of 64 KiB.
const mostBytes = 160 << 10
