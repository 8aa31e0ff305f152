//go:build !race

package feeds

const (
	mostBytes = 16 << 10
	growths   = 1
)
