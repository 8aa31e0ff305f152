package host

import (
	"os"
	"path/filepath"
	"strings"
)

// DropsLoopback reports whether the kernel certainly drops packets that come in on an interface and
// that NAT has sent to 127.0.0.0/8: route_localnet is off for the interface and for "all". An empty
// name means any interface.
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
