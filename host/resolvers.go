package host

import (
	"bufio"
	"bytes"
	"net/netip"
	"os"
	"strings"
)

// ResolvConfs are the files that name this host's DNS servers (resolv.conf(5)). With
// systemd-resolved the first one has only its stub, 127.0.0.53, and the second one the real
// servers.
var ResolvConfs = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// Resolvers reads the addresses of the DNS servers from files. A missing file counts as empty.
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
