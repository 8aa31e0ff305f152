package host

import (
	"os"
	"path/filepath"
	"strings"
)

// DropsLoopback reports whether the kernel drops for certain what comes by an interface and
// nat has sent to a loopback address of IPv4; without one, what comes by any: route_localnet
// is off, for it and for all.
func DropsLoopback(by string) bool {
	const folder = "/proc/sys/net/ipv4/conf"
	names := []string{"all", by}
	if by == "" {
		names = nil
		all, err := os.ReadDir(folder)
		if err != nil {
			return false
		}
		for _, entry := range all {
			names = append(names, entry.Name())
		}
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(folder, name, "route_localnet"))
		if err != nil || strings.TrimSpace(string(text)) != "0" {
			return false
		}
	}
	return true
}
