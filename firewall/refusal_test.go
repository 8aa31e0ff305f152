package firewall

import (
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// TestRefused has the kernel or the tools refuse the base rules for real reasons. In that family, nothing
// changes in any table; the other one is as wanted; and the error has the tool's message, the text and a
// remedy.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, stage string
		refused     iptables.Family
		said        [2]string // by nft and by legacy, which says less
		remedy      string
		remedies    [2]bool // whether the message is enough for one
	}{
		{
			"loop in IPv6", "ip6tables -N fail2ban-ssh; ip6tables -N VOIPBL-INPUT; ip6tables -A fail2ban-ssh -j VOIPBL-INPUT", iptables.IPv6,
			[2]string{"Too many links", "failed"}, "leads back to them", [2]bool{true, false},
		},
		{
			"loop in IPv4", "iptables -N fail2ban-ssh; iptables -N VOIPBL-INPUT; iptables -A fail2ban-ssh -j VOIPBL-INPUT", iptables.IPv4,
			[2]string{"Too many links", "failed"}, "leads back to them", [2]bool{true, false},
		},
		{
			"set missing", "ipset destroy fail2ban-ASTERISK6", iptables.IPv6,
			[2]string{"Set fail2ban-ASTERISK6 doesn't exist", "Set fail2ban-ASTERISK6 doesn't exist"}, `run "voipbl sync"`, [2]bool{true, true},
		},
		{
			"set of the other family", "ipset destroy fail2ban-ASTERISK; ipset create fail2ban-ASTERISK hash:ip family inet6", iptables.IPv4,
			[2]string{"The protocol family of set fail2ban-ASTERISK is IPv6", "The protocol family of set fail2ban-ASTERISK is IPv6"}, "of the other family stands in the way", [2]bool{true, true},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.sh("iptables -A INPUT -s 198.51.100.9 -j DROP; ip6tables -A INPUT -s 2001:db8::9 -j DROP")
				h.sh(c.stage)
				h.sendUDP(iptables.IPv4, 5060) // counters must not be lost either
				s := testrules.Full()
				s.DropAt = ruleset.AtPrerouting // a second table, which comes first
				kept := func() (d [2]string) {
					for f, text := range h.kept() {
						// Legacy tools zero the counters of policies in a table that they write
						// twice.
						d[f] = policyCounts.ReplaceAllString(text, "$1")
					}
					return d
				}
				before := kept()
				done, err := h.try(s.Wanted())
				var refused *ToolError
				if !errors.As(err, &refused) {
					h.Fatalf("got %v", err)
				}
				i := map[Backend]int{NFT: 0, Legacy: 1}[h.fw.Backend]
				if !strings.Contains(refused.Error(), c.said[i]) || !strings.Contains(refused.Error(), "-restore") {
					h.Errorf("got %v, want %q", refused, c.said[i])
				}
				if !strings.Contains(refused.Numbered(), "  -A VOIPBL-INPUT ") && !strings.Contains(refused.Numbered(), "VOIPBL-INPUT\n") {
					h.Errorf("the text is shown as\n%s", refused.Numbered())
				}
				if c.remedies[i] != strings.Contains(refused.Remedy(), c.remedy) {
					h.Errorf("remedy %q, want %q", refused.Remedy(), c.remedy)
				}
				if diff := diff(before[c.refused], kept()[c.refused]); diff != "" {
					h.Errorf("changed (-before +after):\n%s", diff)
				}
				h.partly(err, done, s.Wanted(), c.refused)
			})
		})
	}
}

// policyCounts are those of the kernel's own chains.
var policyCounts = regexp.MustCompile(`(?m)^(:[A-Z]+ [A-Z]+) \[\d+:\d+\]$`)

// TestLocked has another process hold the lock of legacy iptables for longer than voipbl waits.
func TestLocked(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "lock")
	t.Setenv("XTABLES_LOCKFILE", lock)
	h := newHost(t, Legacy)
	holder := exec.Command("flock", lock, "sh", "-c", "echo held; exec sleep 60")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { holder.Process.Kill(); holder.Wait() }()
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	before := h.dumps()
	// A single attempt; Apply makes several.
	plans := h.plan(ruleset.Settings{Sets: [2]string{"voip_bl", "voip_bl6"}, BanSets: [2]string{"voip_ban", "voip_ban6"}, DropAt: ruleset.AtInput}.Wanted())
	errs := h.fw.restore(t.Context(), plans, false)
	err = errors.Join(errs[:]...)
	var refused *ToolError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &refused) || !strings.Contains(refused.Remedy(), "fuser -v /run/xtables.lock") {
		t.Errorf("got %v", err)
	}
	if diff := diff(before, h.dumps()); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
}

// TestRemedies uses recorded messages of hosts that cannot be made here: a kernel without a match, a table
// or rights.
func TestRemedies(t *testing.T) {
	text := NewPlan(testrules.Full().Tables(iptables.IPv4), testrules.Parsed(t, iptables.IPv4, ""), nil).Text
	line := func(word string) string {
		for i, l := range strings.Split(text, "\n") {
			if strings.Contains(l, word) {
				return strconv.Itoa(i + 1)
			}
		}
		t.Fatalf("no line has %s", word)
		return ""
	}
	nft := func(word string) string {
		return "iptables-nft-restore v1.8.9 (nf_tables): \nline " + line(word) + ": RULE_APPEND failed (No such file or directory): rule in chain VOIPBL-INPUT\n"
	}
	for _, c := range []struct{ said, want, not string }{
		{nft("-m string"), "modprobe xt_comment xt_string\"", "xt_recent"},
		{nft("--name VOIP "), "xt_recent", "xt_hashlimit"},
		{nft("-m hashlimit"), "xt_hashlimit", "xt_recent"},
		{nft("-m state"), "xt_conntrack", "xt_string"},
		{nft("-m multiport"), "xt_multiport", "xt_string"},
		{"iptables-restore: line " + line("COMMIT") + " failed\niptables: No chain/target/match by that name.\n", "xt_comment xt_conntrack xt_hashlimit xt_multiport xt_recent xt_set xt_string", "xt_tcp"},
		{"iptables-nft-restore v1.8.9 (nf_tables): Couldn't load match `string':No such file or directory\n", "reinstall it", "modprobe"},
		{"iptables-legacy-restore v1.8.9 (legacy): iptables-legacy-restore: unable to initialize table 'raw'\n\nError: can't initialize iptables table `raw': Table does not exist (do you need to insmod?)\n", "modprobe iptable_raw", "linux-modules"},
		{"iptables-save v1.8.9 (legacy): Cannot initialize: Permission denied (you must be root)\n", "CAP_NET_ADMIN and CAP_NET_RAW", "modprobe"},
		{"Another app is currently holding the xtables lock. Perhaps you want to use the -w option?\n", "fuser -v /run/xtables.lock", "modprobe"},
		{"iptables-nft-restore: line 3 failed: Chain already exists.\n", "", "modprobe"},
	} {
		e := &ToolError{Tool: "iptables-legacy-restore --noflush", Code: 1, Said: c.said, Text: text}
		if got := e.Remedy(); !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("%q: got %q, want %q and not %q", c.said, got, c.want, c.not)
		}
		if strings.Contains(e.Error(), "\n") || strings.Contains(e.Error(), "Try `") {
			t.Errorf("on several lines: %q", e.Error())
		}
	}
}
