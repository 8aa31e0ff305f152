//go:build race

package feeds

const (
	// mostBytes allows for the race detector, which has each sync.Pool forget a part of what it
	// holds at random: here buffers of 64 KiB.
	mostBytes = 160 << 10

	// growths is how often slices.Grow allocates what it adds: with the race detector twice.
	growths = 2
)
