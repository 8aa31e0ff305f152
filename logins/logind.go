package logins

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// logindSessions is where systemd-logind keeps a file for each session.
// sd_session_get_remote_host(3) reads the same files, which everybody may read.
const logindSessions = "/run/systemd/sessions"

// logindPeers returns the addresses that remote sessions come from, if the process that began the
// session is alive. A missing folder means no sessions.
func logindPeers(dir string, alive func(pid int) bool) []netip.Addr {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var peers []netip.Addr
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue // a pipe that keeps the session open
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if a, leader := parseLogind(string(text)); a.IsValid() && alive(leader) {
			peers = append(peers, a)
		}
	}
	return peers
}

// parseLogind parses lines of NAME=value. The host is an address, unless sshd is configured to look
// up its name in DNS.
func parseLogind(text string) (from netip.Addr, leader int) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "REMOTE_HOST":
			from, _ = netip.ParseAddr(value)
		case "LEADER":
			leader, _ = strconv.Atoi(value)
		}
	}
	return from.Unmap().WithZone(""), leader
}

// alive reports whether a process exists. It uses kill with signal 0, since /proc may hide the
// processes of other users.
func alive(pid int) bool {
	return pid > 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
