//go:build !race

package feeds

const mostBytes = 16 << 10
