package firewall

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testshare"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// host is a PBX host's firewall in the test's own network namespace: the real kernel, and the real tools
// of one backend.
type host struct {
	*testing.T
	fw    *Firewall
	known *Readback // from the last apply
	bin   string    // where iptables is that of the backend
	env   []string
}

// onEachBackend runs a test on both, each in a namespace of its own; as part of "make test", every second test on nft alone.
func onEachBackend(t *testing.T, test func(h *host)) {
	t.Helper()
	for _, b := range testshare.First(t, []Backend{NFT, Legacy}) {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			test(newHost(t, b))
		})
	}
}

// newHost returns a host with the sets that voipbl's rules refer to, and no rules.
func newHost(t *testing.T, b Backend) *host {
	t.Helper()
	testns.Enter(t)
	fw, err := Open(string(b))
	if err != nil {
		t.Fatal(err)
	}
	h := &host{T: t, fw: fw, bin: linkTools(t, b)}
	// The tools of scripts do not wait for the lock that other tests hold.
	h.env = append(os.Environ(), "LC_ALL=C", "PATH="+h.bin+":"+os.Getenv("PATH"), "XTABLES_LOCKFILE="+filepath.Join(h.bin, "lock"))
	h.feed(`create voip_bl hash:net counters
create voip_bl6 hash:net family inet6 counters
create voip_ban hash:net timeout 0 counters
create voip_ban6 hash:net family inet6 timeout 0 counters
create fail2ban-ASTERISK hash:ip timeout 0
create fail2ban-ASTERISK6 hash:ip family inet6 timeout 0
`, "ipset", "restore")
	return h
}

// linkTools returns a folder in which the plain names are links to the tools of a backend, as on a
// real host.
func linkTools(t *testing.T, b Backend) string {
	t.Helper()
	bin := t.TempDir()
	for _, f := range iptables.Families {
		for _, verb := range []string{"", "-save", "-restore"} {
			program, err := findTool(f.Command() + "-" + string(b) + verb)
			if err != nil {
				t.Fatal(err)
			}
			if program, err = filepath.EvalSymlinks(program); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(program, filepath.Join(bin, f.Command()+verb)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return bin
}

// command returns a program to run on the host. The test's goroutine has to start it, since it is in the
// host's namespace.
func (h *host) command(name string, args ...string) *exec.Cmd {
	if linked := filepath.Join(h.bin, name); exists(linked) {
		name = linked
	}
	cmd := exec.Command(name, args...)
	cmd.Env = h.env
	return cmd
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// feed runs a program with a text as its input, and returns its output.
func (h *host) feed(stdin, name string, args ...string) string {
	h.Helper()
	cmd := h.command(name, args...)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &stderr
	if err := cmd.Run(); err != nil {
		h.Fatalf("%s %q: %v: %s\nit was to read:\n%s", name, args, err, stderr.String(), stdin)
	}
	return out.String()
}

// sh runs a script, in which "iptables" is that of the backend, and returns its output.
func (h *host) sh(script string) string {
	h.Helper()
	return h.feed("", "sh", "-euc", script)
}

// words replaces what differs between the families in a script for both.
var words = [2]*strings.Replacer{
	iptables.IPv4: strings.NewReplacer("IPT", "iptables", "VOIP_BL", "voip_bl", "VOIP_BAN", "voip_ban", "BANS", ruleset.BanSet, "LAN", "192.168.1.0/24", "TRUNK", "203.0.113.10/32", "HOST", "198.51.100.7/32"),
	iptables.IPv6: strings.NewReplacer("IPT", "ip6tables", "VOIP_BL", "voip_bl6", "VOIP_BAN", "voip_ban6", "BANS", ruleset.BanSet6, "LAN", "fd12:3456:789a::/48", "TRUNK", "2001:db8:10::10/128", "HOST", "2001:db8:7::7/128"),
}

// inBoth runs a script once with the words of each family.
func (h *host) inBoth(script string) {
	h.Helper()
	h.sh(words[iptables.IPv4].Replace(script) + "\n" + words[iptables.IPv6].Replace(script))
}

// load adds a ruleset in the form of iptables-save to each family.
func (h *host) load(text string) {
	h.Helper()
	for _, f := range iptables.Families {
		h.feed(words[f].Replace(text), f.Command()+"-restore", "--noflush")
	}
}

// dump returns all that the kernel holds of a family, in the form of "iptables-save -c", without what
// differs from run to run and what is empty.
func (h *host) dump(f iptables.Family) string {
	h.Helper()
	return emptyTable.ReplaceAllString(dates.ReplaceAllString(h.feed("", f.Command()+"-save", "-c"), ""), "")
}

// dumps returns the dumps of both families.
func (h *host) dumps() [2]string {
	h.Helper()
	return [2]string{h.dump(iptables.IPv4), h.dump(iptables.IPv6)}
}

// rules returns the dumps without counters.
func (h *host) rules() [2]string {
	h.Helper()
	d := h.dumps()
	return [2]string{uncounted(d[iptables.IPv4]), uncounted(d[iptables.IPv6])}
}

var (
	// dates matches the lines of iptables-save that differ from run to run.
	dates = regexp.MustCompile(`(?m)^# (Generated|Completed) .*\n`)

	// emptyTable matches a table without rules. The tools create tables by looking.
	emptyTable = regexp.MustCompile(`(?m)^\*\w+\n(:[A-Z]+ ACCEPT \[\d+:\d+\]\n)*COMMIT\n`)

	// counts matches how many packets and bytes a rule or chain has counted.
	counts     = regexp.MustCompile(`\[\d+:\d+\] ?`)
	ruleCounts = regexp.MustCompile(`(?m)^\[\d+:\d+\] `)

	// ourLines matches all that is voipbl's, independently of the package's own code.
	ourLines = regexp.MustCompile(`(?m)^(:VOIPBL-.*|\[\d+:\d+\] -A (VOIPBL-.*|\S+ (-m set --match-set .*)?-m comment --comment "voipbl: [^"]*" -j (DROP|ACCEPT|VOIPBL-\S+)))\n`)
)

// uncounted returns a dump without counters.
func uncounted(dump string) string { return counts.ReplaceAllString(dump, "") }

// foreign returns a dump without what is voipbl's.
func foreign(dump string) string {
	return emptyTable.ReplaceAllString(ourLines.ReplaceAllString(dump, ""), "")
}

// rulesOf returns the rules of a chain in a dump, without "-A CHAIN" and counters.
func rulesOf(dump, table, chain string) []string {
	_, rest, _ := strings.Cut("\n"+dump, "\n*"+table+"\n")
	content, _, _ := strings.Cut(rest, "\nCOMMIT\n")
	var rules []string
	for line := range strings.Lines(content) {
		if rule, found := strings.CutPrefix(ruleCounts.ReplaceAllString(line, ""), "-A "+chain+" "); found {
			rules = append(rules, strings.TrimSpace(rule))
		}
	}
	return rules
}

// diff compares two texts, or two for each family, line by line.
func diff(want, got any) string {
	isLong := func(s string) bool { return strings.Contains(strings.TrimSuffix(s, "\n"), "\n") }
	split := cmp.Transformer("lines", func(s string) []string { return strings.SplitAfter(s, "\n") })
	return cmp.Diff(want, got, cmp.FilterValues(func(a, b string) bool { return isLong(a) || isLong(b) }, split))
}

// read lists what the kernel holds.
func (h *host) read() [2]*iptables.Saved {
	h.Helper()
	saved, err := h.fw.Read(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	return saved
}

// plan compares what is wanted with the kernel.
func (h *host) plan(want ruleset.Wanted) [2]*Plan {
	h.Helper()
	return h.fw.Plan(want, h.read(), h.known)
}

// try applies, without keeping the Readback.
func (h *host) try(want ruleset.Wanted) (*Applied, error) {
	h.Helper()
	return h.fw.Apply(h.Context(), want, h.read(), h.known)
}

// apply applies, as the agent does.
func (h *host) apply(want ruleset.Wanted) *Applied {
	h.Helper()
	done, err := h.try(want)
	if err != nil {
		h.Fatal(err)
	}
	h.known = done.Readback
	return done
}

// unchanged fails the test if applying the same again changes anything. It returns what the kernel
// holds.
func (h *host) unchanged(want ruleset.Wanted) [2]string {
	h.Helper()
	before, generation := h.dumps(), h.fw.Generation()
	if generation == "" {
		h.Fatal("the kernel tells no generation")
	}
	done := h.apply(want)
	if changes := Changes(done.Plans); len(changes) != 0 {
		h.Errorf("a second apply changes %v", changes)
	}
	if diff := diff(before, h.dumps()); diff != "" {
		h.Errorf("a second apply changed (-before +after):\n%s", diff)
	}
	if now := h.fw.Generation(); now != generation {
		h.Errorf("a second apply wrote: generation %s became %s", generation, now)
	}
	return before
}

// restoresCounters reports whether the tools of a family restore counters. ip6tables-nft-restore 1.8.9 has
// the option and ignores it.
func (h *host) restoresCounters(f iptables.Family) bool {
	h.Helper()
	if f == iptables.IPv4 || h.fw.Backend == Legacy {
		return true
	}
	countersLock.Lock()
	defer countersLock.Unlock()
	if restoresCounters6 == nil {
		h.feed("*filter\n:COUNTERS - [0:0]\n[7:700] -A COUNTERS -j RETURN\nCOMMIT\n", "ip6tables-restore", "-n", "-c")
		restoresCounters6 = new(strings.Contains(h.dump(f), "[7:700] -A COUNTERS "))
		h.sh("ip6tables -F COUNTERS; ip6tables -X COUNTERS")
	}
	return *restoresCounters6
}

var (
	countersLock      sync.Mutex
	restoresCounters6 *bool // of nft
)

// kept returns the dumps, without counters if the tools cannot restore them.
func (h *host) kept() [2]string {
	h.Helper()
	d := h.dumps()
	for _, f := range iptables.Families {
		if !h.restoresCounters(f) {
			d[f] = uncounted(d[f])
		}
	}
	return d
}

// seedCounters gives every rule a different count, as far as the tools restore counters. It restores what
// the kernel holds, and returns that.
func (h *host) seedCounters() [2]string {
	h.Helper()
	n := 0
	seeded := h.dumps()
	for _, f := range iptables.Families {
		if h.restoresCounters(f) {
			seeded[f] = ruleCounts.ReplaceAllStringFunc(seeded[f], func(string) string {
				n++
				return fmt.Sprintf("[%d:%d] ", n, 100*n)
			})
		}
		h.feed(seeded[f], f.Command()+"-restore", "-c")
	}
	if diff := diff(seeded, h.dumps()); diff != "" {
		h.Fatalf("the counters are not there (-want +got):\n%s", diff)
	}
	return seeded
}

// sendUDP sends one packet to this host. The rules have counted it when sendUDP returns, since loopback
// delivers before send returns.
func (h *host) sendUDP(f iptables.Family, port int) {
	h.Helper()
	family, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if f == iptables.IPv6 {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		h.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, []byte("x"), 0, to); err != nil {
		h.Fatal(err)
	}
}
