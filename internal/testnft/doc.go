// Package testnft puts native rules of nftables into a test's own network namespace, and
// reads them.
package testnft
