package host

import (
	"bufio"
	"bytes"
	"net/netip"
	"os"
	"strings"
)

// ResolvConfs name the DNS servers of this host (resolv.conf(5)). The second
// is where systemd-resolved keeps the real ones, with its own stub at
// 127.0.0.53 in the first.
var ResolvConfs = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// Resolvers reads the addresses of the DNS servers; a file that is not there
// has none.
func Resolvers(files []string) []netip.Addr {
	var servers []netip.Addr
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil {
			servers = append(servers, parseResolvConf(text)...)
		}
	}
	return servers
}

func parseResolvConf(text []byte) []netip.Addr {
	var servers []netip.Addr
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(fields[1]); err == nil {
			servers = append(servers, a.Unmap().WithZone(""))
		}
	}
	return servers
}
