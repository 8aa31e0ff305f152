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
// sd_session_get_remote_host(3) reads the same files, and everybody may.
const logindSessions = "/run/systemd/sessions"

// logindPeers are where sessions come from that somebody has over the network, if
// the process that began one is alive. A folder that is not there has none.
func logindPeers(dir string, alive func(pid int) bool) []netip.Addr {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var peers []netip.Addr
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue // a pipe, by which the session is held open
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

// parseLogind reads lines of NAME=value. The host is an address, unless sshd has
// been told to ask DNS for its name.
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

// alive reports whether there is a process. It asks by a signal that is not sent,
// since /proc may hide what belongs to others.
func alive(pid int) bool {
	return pid > 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
