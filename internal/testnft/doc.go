// Package testnft loads native nftables rules into a test's own network namespace, and
// reads them.
package testnft
