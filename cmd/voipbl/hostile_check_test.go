package main

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/internal/exit"
)

func (h *hostileHost) checkReport(kind, state string, r blocklist.SyncReport, code int) {
	f, t := r.Feeds[0], h.t
	if string(f.State) != state {
		t.Errorf("%s: the feed is %s, not %s: %+v", kind, f.State, state, f.Problem)
	}
	wantCode, wantOutcome, reason := exit.OK, blocklist.InForce, ""
	if state != "fresh" {
		wantCode, wantOutcome = exit.Stale, blocklist.Stale
		if f.Problem != nil {
			reason = f.Problem.Reason
		}
		if reason != h.feed.reason {
			t.Errorf("%s: the reason is %q, not %q", kind, reason, h.feed.reason)
		}
		if f.Entries != goodSize {
			t.Errorf("%s: %d entries in force, not those of the good list", kind, f.Entries)
		}
	} else if f.Entries != h.feed.entries || screenedEntries(f) != h.feed.screened || !maps.Equal(f.Rejected, h.feed.rejected) {
		t.Errorf("%s: %d entries, %d screened, rejected %v; want %d, %d, %v", kind,
			f.Entries, screenedEntries(f), f.Rejected, h.feed.entries, h.feed.screened, h.feed.rejected)
	}
	if len(h.kernel()) == 0 {
		wantCode, wantOutcome = exit.Stale, blocklist.Stale // a host that blocks nobody is told so
	}
	if code != wantCode || r.Outcome != wantOutcome {
		t.Errorf("%s: exit %d, %s; want %d, %s", kind, code, r.Outcome, wantCode, wantOutcome)
	}
}

// checkKernel holds the kernel's sets to the list that is in force. An entry
// wider than the limit can only come from narrower ones that lie side by side,
// since a line that says so itself is not among what listed returns.
func (h *hostileHost) checkKernel(kind string, list []byte, blocked, free []netip.Prefix, r blocklist.SyncReport) {
	entries := h.kernel()
	holes := slices.Concat(special, shielded, sessions(r))
	for _, e := range entries {
		for _, hole := range slices.Concat(special, shielded) {
			if e.Overlaps(hole) {
				h.t.Errorf("%s: the kernel blocks %s, and %s is never blocked", kind, e, hole)
			}
		}
	}
	got, want := rangesOf(entries), subtract(listed(list), rangesOf(holes))
	for _, wrong := range subtract(got, want) {
		h.t.Errorf("%s: the kernel blocks %s, which no line says", kind, wrong)
	}
	for _, missing := range subtract(want, got) {
		h.t.Errorf("%s: the kernel does not block %s", kind, missing)
	}
	for _, p := range blocked {
		if left := subtract(rangesOf([]netip.Prefix{p}), got); len(left) > 0 {
			h.t.Errorf("%s: not blocked of %s: %v", kind, p, left)
		}
	}
	for _, p := range free {
		if slices.ContainsFunc(entries, p.Overlaps) {
			h.t.Errorf("%s: %s is not free", kind, p)
		}
	}
}

// sessions are the peers of real logins on the machine that runs the tests,
// which the program protects as well.
func sessions(r blocklist.SyncReport) (list []netip.Prefix) {
	for _, p := range r.Exempt {
		if p.Prefix.IsSingleIP() && slices.Contains(p.Reasons, "logged-in SSH session") {
			list = append(list, p.Prefix)
		}
	}
	return list
}

// checkPackets sends packets from blocked sources, and then from all sources that must get through.
// The wire keeps their order: once the last of these has arrived, earlier packets that are missing
// were dropped.
func (h *hostileHost) checkPackets(kind string, blocked, free []netip.Prefix) {
	open := slices.Clone(friends)
	for _, p := range free {
		if a := p.Addr(); p.IsSingleIP() && slices.Contains(h.senders(), a) && !slices.Contains(open, a) {
			open = append(open, a)
		}
	}
	var from []netip.Addr
	for _, p := range blocked {
		from = append(from, p.Addr())
	}
	if err := h.exchange(from, open); err != nil {
		h.t.Errorf("%s: %v", kind, err)
	}
}

// exchange sends a packet from each address, and returns an error unless
// exactly those from open arrive.
func (h *hostileHost) exchange(blocked, open []netip.Addr) error {
	h.pair.Outside(func() {
		for _, a := range slices.Concat(blocked, open) {
			h.send(a)
		}
	})
	missing := make(map[netip.Addr]bool)
	for _, a := range open {
		missing[a] = true
	}
	h.socket.SetReadDeadline(time.Now().Add(5 * time.Second))
	for len(missing) > 0 {
		_, from, err := h.socket.ReadFromUDPAddrPort(make([]byte, 64))
		if err != nil {
			return fmt.Errorf("nothing arrives from %v: %w", slices.Collect(maps.Keys(missing)), err)
		}
		if a := from.Addr().Unmap(); slices.Contains(blocked, a) {
			return fmt.Errorf("a packet from %s, which is blocked, arrives", a)
		} else {
			delete(missing, a)
		}
	}
	return nil
}

func (h *hostileHost) send(from netip.Addr) {
	to := hostAddrs[0]
	if from.Is6() {
		to = hostAddrs[2]
	}
	conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 5060)))
	if err == nil {
		_, err = conn.Write([]byte("x"))
		conn.Close()
	}
	if err != nil {
		h.t.Errorf("send from %s: %v", from, err)
	}
}

// checkWords holds what a person is shown to printable text: a feed must not
// speak to the terminal.
func (h *hostileHost) checkWords(kind string, code int, blocked []netip.Prefix) {
	out, again := h.voipbl(kind, "sync")
	if again != code {
		h.t.Errorf("%s: exit %d, and %d with --json: %s", kind, again, code, out)
	}
	if len(blocked) > 0 {
		words, code := h.voipbl(kind, "check", blocked[0].Addr().String())
		if code != exit.OK {
			h.t.Errorf("%s: check: exit %d: %s", kind, code, words)
		}
		out += words
	}
	if i := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(out) {
		h.t.Errorf("%s: it prints what is not text: %q", kind, out)
	}
	if strings.Contains(out, "%!") {
		h.t.Errorf("%s: it takes a feed for a format: %s", kind, out)
	}
}

// kernel reads both sets back with ipset(8).
func (h *hostileHost) kernel() (entries []netip.Prefix) {
	for _, set := range []string{"voip_bl", "voip_bl6"} {
		for line := range strings.Lines(h.do("ipset", "save", set)) {
			if fields := strings.Fields(line); fields[0] == "add" {
				entries = append(entries, prefixes(fields[2])...)
			}
		}
	}
	return entries
}

// screenedEntries are the entries of a feed that special-purpose space was taken out of.
func screenedEntries(f feeds.Report) (n int) {
	for _, s := range f.Screened {
		n += s.Entries
	}
	return n
}
