package ipsetsync

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testskip"
)

// openKernel opens the kernel in a network namespace of the test's own. The tests read
// with ipset(8) what this package wrote, and the other way round.

func openKernel(t testing.TB) *Kernel {
	t.Helper()
	testns.Enter(t)
	k, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// ipset runs ipset(8) and returns what it prints.
func ipset(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("ipset", args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("ipset %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out.String()
}

// saved returns the sorted entries of "ipset save NAME", options included.
func saved(t testing.TB, name string) (header string, entries []string) {
	t.Helper()
	for line := range strings.Lines(ipset(t, "", "save", name)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "add "+name+" "); ok {
			entries = append(entries, rest)
		} else {
			header = line
		}
	}
	slices.Sort(entries)
	return header, entries
}

// plan reads the set called name and compares it with the desired entries.
func plan(k *Kernel, name string, f cidr.Family, desired cidr.Set) (*Plan, error) {
	return planShape(k, name, f, cidr.ShapeOf(desired, 0))
}

func planShape(k *Kernel, name string, f cidr.Family, desired cidr.Shape) (*Plan, error) {
	live, err := k.Dump(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return NewPlan(name, f, desired, live)
}

// apply plans and executes a change.
func apply(t testing.TB, k *Kernel, name string, f cidr.Family, desired cidr.Set) *Plan {
	t.Helper()
	return applyShape(t, k, name, f, cidr.ShapeOf(desired, 0))
}

// applyShape is apply for pieces.
func applyShape(t testing.TB, k *Kernel, name string, f cidr.Family, desired cidr.Shape) *Plan {
	t.Helper()
	p, err := planShape(k, name, f, desired)
	if err != nil {
		t.Fatal(err)
	}
	if warnings, err := k.Execute(p); err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return p
}

// randomSet returns a set with prefixes of many lengths.
func randomSet(f cidr.Family, n int) cidr.Set {
	r := rand.New(rand.NewPCG(uint64(n), uint64(f)))
	var b cidr.Builder
	for range n {
		addr := make([]byte, f.Bits()/8)
		for i := range addr {
			addr[i] = byte(r.IntN(256))
		}
		p, _ := cidr.FromBytes(addr, f.Bits()-uint8(r.IntN(int(f.Bits())/2)*r.IntN(2)))
		b.Add(p)
	}
	return b.Sets()[f]
}

// entriesOf returns what ipset save prints for a set of voipbl's whose counters are zero.
func entriesOf(s cidr.Set) []string {
	var out []string
	for p := range s.All() {
		out = append(out, p.String()+" packets 0 bytes 0")
	}
	slices.Sort(out)
	return out
}

func TestWhatWeWriteReadsBack(t *testing.T) {
	for _, f := range cidr.Families {
		t.Run(f.String(), func(t *testing.T) {
			k := openKernel(t)
			first, second := randomSet(f, 20_000), randomSet(f, 30_000)
			for _, want := range []cidr.Set{first, second, {}, first} {
				if p := apply(t, k, "voip_bl", f, want); p.Unchanged() {
					t.Fatal("nothing was planned")
				}
				header, entries := saved(t, "voip_bl")
				family := map[cidr.Family]string{cidr.IPv4: "inet", cidr.IPv6: "inet6"}[f]
				if wantHeader := fmt.Sprintf("create voip_bl hash:net family %s hashsize %d maxelem 1048576 counters", family, hashsize(want.Len())); !strings.HasPrefix(header, wantHeader) {
					t.Errorf("header %q, want %q", header, wantHeader)
				}
				if !slices.Equal(entries, entriesOf(want)) {
					t.Fatalf("ipset save has %d entries, not the %d that were written", len(entries), want.Len())
				}
				if p := apply(t, k, "voip_bl", f, want); !p.Unchanged() {
					t.Errorf("a second run plans %v", p.Steps())
				}
				if names := strings.Fields(ipset(t, "", "list", "-name")); !slices.Equal(names, []string{"voip_bl"}) {
					t.Errorf("sets left: %v", names)
				}
			}
		})
	}
}

// TestKind: Kind reads the same as Header.
func TestKind(t *testing.T) {
	k := openKernel(t)
	ipset(t, "create a hash:net family inet6\ncreate b hash:ip timeout 0\ncreate c list:set\nadd a 2a00::/32\n", "restore")
	for _, name := range []string{"a", "b", "c"} {
		whole, err := k.Header(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Kind(name)
		if want := (Header{Name: name, Type: whole.Type, Family: whole.Family, Revision: whole.Revision}); got != want || err != nil {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	if _, err := k.Kind("none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a set that is not there: %v", err)
	}
}

func TestWhatIpsetWritesReadsBack(t *testing.T) {
	for _, f := range cidr.Families {
		t.Run(f.String(), func(t *testing.T) {
			k := openKernel(t)
			want := randomSet(f, 5_000)
			family := map[cidr.Family]string{cidr.IPv4: "inet", cidr.IPv6: "inet6"}[f]
			var text strings.Builder
			fmt.Fprintf(&text, "create x hash:net family %s counters comment timeout 1000\n", family)
			var counts []Count
			for i := range want.Len() {
				fmt.Fprintf(&text, "add x %s packets %d bytes %d comment \"c\"\n", want.At(i), i%3, i%3*100)
				if i%3 > 0 {
					counts = append(counts, Count{want.At(i), uint64(i % 3), uint64(i % 3 * 100)})
				}
			}
			ipset(t, text.String(), "restore")
			live, err := k.Dump("x")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(live.Prefixes, slices.Collect(want.All())) {
				t.Errorf("%d entries read back, %d written", len(live.Prefixes), want.Len())
			}
			if !slices.Equal(live.Counts, counts) {
				t.Errorf("%d counts read back, %d written", len(live.Counts), len(counts))
			}
			if h := live.Header; h.Family != f || !h.Counters || !h.Comment || !h.Timeout || h.Maxelem != 65536 || int(h.Elements) != want.Len() {
				t.Errorf("header %+v", h)
			}
			header, err := k.Header("x")
			if err != nil || header != live.Header {
				t.Errorf("header alone is %+v, %v", header, err)
			}
		})
	}
}

func TestCountersSurviveTheSwap(t *testing.T) {
	k := openKernel(t)
	apply(t, k, "voip_bl", cidr.IPv4, setOf("127.0.0.8", "192.0.2.1"))
	iptables(t, "-A", "INPUT", "-m", "set", "--match-set", "voip_bl", "src", "-j", "DROP")
	for range 3 {
		sendUDP(t, "127.0.0.8")
	}
	before, err := k.Dump("voip_bl")
	if err != nil {
		t.Fatal(err)
	}
	if len(before.Counts) != 1 || before.Counts[0].Packets != 3 {
		t.Fatalf("the kernel counted %v", before.Counts)
	}
	if before.References != 1 {
		t.Errorf("%d references", before.References)
	}
	p := apply(t, k, "voip_bl", cidr.IPv4, setOf("127.0.0.8", "192.0.2.2"))
	if p.Added != 1 || p.Removed != 1 || p.Kept != 1 {
		t.Errorf("plan %+v", p)
	}
	after, err := k.Dump("voip_bl")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(after.Counts, before.Counts) {
		t.Errorf("counts were %v and are %v", before.Counts, after.Counts)
	}
	sendUDP(t, "127.0.0.8")
	if live, _ := k.Dump("voip_bl"); live.Counts[0].Packets != 4 {
		t.Errorf("after the swap: %v", live.Counts)
	}
}

func iptables(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("iptables-nft", args...).CombinedOutput(); err != nil {
		t.Fatalf("iptables-nft %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// sendUDP sends one packet from an address of the loopback network. It has passed the
// rules when sendUDP returns, because loopback delivers before send returns.
func sendUDP(t testing.TB, from string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var b [4]byte
	fmt.Sscanf(from, "%d.%d.%d.%d", &b[0], &b[1], &b[2], &b[3])
	err = errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: b}), unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 5060, Addr: [4]byte{127, 0, 0, 1}}))
	if err != nil {
		t.Fatal(err)
	}
}

func TestStaleTemporarySetIsRemoved(t *testing.T) {
	k := openKernel(t)
	ipset(t, "create voip_bl-next hash:ip\nadd voip_bl-next 192.0.2.99\n", "restore")
	apply(t, k, "voip_bl", cidr.IPv4, setOf("192.0.2.1"))
	if _, entries := saved(t, "voip_bl"); !slices.Equal(entries, []string{"192.0.2.1 packets 0 bytes 0"}) {
		t.Errorf("entries %v", entries)
	}
	ipset(t, "create voip_bl-next hash:ip\n", "restore")
	if p := apply(t, k, "voip_bl", cidr.IPv4, setOf("192.0.2.1")); !p.Unchanged() {
		t.Errorf("planned %v", p.Steps())
	}
	if names := strings.Fields(ipset(t, "", "list", "-name")); !slices.Equal(names, []string{"voip_bl"}) {
		t.Errorf("sets %v", names)
	}
}

func TestForeignSetOfOurName(t *testing.T) {
	for _, create := range []string{"hash:ip", "hash:net family inet6", "list:set", "bitmap:port range 1-100", "hash:net,port"} {
		t.Run(create, func(t *testing.T) {
			k := openKernel(t)
			ipset(t, "create voip_bl "+create+"\n", "restore")
			if p := apply(t, k, "voip_bl", cidr.IPv4, setOf("192.0.2.1")); p.Why == "" {
				t.Error("no reason for the replacement")
			}
			if header, entries := saved(t, "voip_bl"); !strings.HasPrefix(header, "create voip_bl hash:net family inet ") || len(entries) != 1 {
				t.Errorf("now %q with %v", header, entries)
			}
		})
	}
}

func TestForeignSetInUse(t *testing.T) {
	k := openKernel(t)
	ipset(t, "create voip_bl hash:ip\nadd voip_bl 192.0.2.9\ncreate all list:set\nadd all voip_bl\n", "restore")
	before := ipset(t, "", "save")
	_, err := plan(k, "voip_bl", cidr.IPv4, setOf("192.0.2.1"))
	if inUse := (*InUseError)(nil); !errors.As(err, &inUse) || inUse.Header.References != 1 {
		t.Errorf("got %v", err)
	}
	if lists, err := k.Lists("voip_bl"); err != nil || !slices.Equal(lists, []string{"all"}) {
		t.Errorf("in the lists %v, %v", lists, err)
	}
	if after := ipset(t, "", "save"); after != before {
		t.Errorf("the kernel has\n%snot\n%s", after, before)
	}
}

// TestForeignOptionsAreReplaced: a set with the right entries and wrong options is
// replaced by a swap, even while a rule uses it.
func TestForeignOptionsAreReplaced(t *testing.T) {
	for _, test := range []struct{ create, add, why string }{
		{"", "", "it had no counters"},
		{"counters", "", "its maxelem was 65536, not 1048576"},
		{"counters maxelem 1048576 timeout 100", "", "its entries could expire"},
		{"counters maxelem 1048576 forceadd", "", "it dropped entries when full (forceadd)"},
		{"counters maxelem 1048576 comment", "", "it had extensions that are not ours"},
		{"counters maxelem 1048576", "nomatch", "1 of its entries were exceptions (nomatch)"},
	} {
		t.Run(test.why, func(t *testing.T) {
			k := openKernel(t)
			ipset(t, fmt.Sprintf("create voip_bl hash:net %s\nadd voip_bl 192.0.2.0/24 %s\n", test.create, test.add), "restore")
			iptables(t, "-A", "INPUT", "-m", "set", "--match-set", "voip_bl", "src", "-j", "DROP")
			if p := apply(t, k, "voip_bl", cidr.IPv4, setOf("192.0.2.0/24")); p.Why != test.why {
				t.Errorf("why %q", p.Why)
			}
			if p := apply(t, k, "voip_bl", cidr.IPv4, setOf("192.0.2.0/24")); !p.Unchanged() {
				t.Errorf("and again: %+v", p)
			}
		})
	}
}

// TestRefusedEntry: if the kernel refuses an entry of the second message, the error
// names it, the live set is unchanged and the temporary set is gone.
func TestRefusedEntry(t *testing.T) {
	k := openKernel(t)
	apply(t, k, "voip_bl", cidr.IPv4, setOf("192.0.2.1"))
	desired := randomSet(cidr.IPv4, 5_000)
	p, err := plan(k, "voip_bl", cidr.IPv4, desired)
	if err != nil {
		t.Fatal(err)
	}
	const most = 3000
	p.Build[0].Maxelem = most
	_, err = k.Execute(p)
	var opErr *opError
	if !errors.Is(err, errFull) || !errors.As(err, &opErr) || opErr.Entry == "" {
		t.Fatalf("got %v, want an entry refused because the set is full", err)
	}
	// The kernel estimates the size first (mtype_add), so it may refuse a later entry
	// than the first too many.
	if i, ok := desired.Index(cidr.MustParsePrefix(opErr.Entry)); !ok || i < most || i > most+100 {
		t.Errorf("entry %s is number %d, and the set was full at %d", opErr.Entry, i, most)
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		t.Errorf("a bare number shows through: %v", errno)
	}
	if _, entries := saved(t, "voip_bl"); !slices.Equal(entries, []string{"192.0.2.1 packets 0 bytes 0"}) {
		t.Errorf("the live set has %d entries", len(entries))
	}
	if names := strings.Fields(ipset(t, "", "list", "-name")); !slices.Equal(names, []string{"voip_bl"}) {
		t.Errorf("sets %v", names)
	}
}

func TestCountIsReadBack(t *testing.T) {
	k := openKernel(t)
	p, err := plan(k, "voip_bl", cidr.IPv4, setOf("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	p.Build[2].Entries = 2
	if _, err := k.Execute(p); !errors.Is(err, errWrongContent) {
		t.Errorf("got %v", err)
	}
	if names := ipset(t, "", "list", "-name"); names != "" {
		t.Errorf("sets left: %s", names)
	}
}

// TestAllOrNone: if the second of two sets cannot be switched, the first is switched
// back, and no temporary set is left.
func TestAllOrNone(t *testing.T) {
	for _, test := range []struct{ name, before string }{
		{"both exist", "create voip_bl hash:net counters maxelem 1048576\nadd voip_bl 192.0.2.9\ncreate voip_bl6 hash:net family inet6\n"},
		{"neither exists", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := openKernel(t)
			ipset(t, test.before, "restore")
			before := ipset(t, "", "list", "-output", "save")
			var plans []*Plan
			for _, f := range cidr.Families {
				p, err := plan(k, map[cidr.Family]string{cidr.IPv4: "voip_bl", cidr.IPv6: "voip_bl6"}[f], f, randomSet(f, 100))
				if err != nil {
					t.Fatal(err)
				}
				plans = append(plans, p)
			}
			plans[1].Switch[0].Other = "gone"
			plans[1].Switch[0].Op = opSwap
			if _, err := k.Execute(plans...); !errors.Is(err, errExistsOrGone) {
				t.Errorf("got %v", err)
			}
			if after := ipset(t, "", "list", "-output", "save"); after != before {
				t.Errorf("the kernel has\n%snot\n%s", after, before)
			}
		})
	}
}

// TestBusySetIsWaitedFor: while another process lists a set, it can be neither swapped
// nor destroyed. Execute waits.
func TestBusySetIsWaitedFor(t *testing.T) {
	k := openKernel(t)
	lists := [2]cidr.Set{randomSet(cidr.IPv4, 20_000), randomSet(cidr.IPv4, 20_001)}
	apply(t, k, "voip_bl", cidr.IPv4, lists[0])
	reader, err := Open() // opened here, in this goroutine's namespace
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		defer reader.Close()
		for n := 0; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
				reader.Dump("voip_bl") // it may be interrupted
			}
		}
	}()
	for i := range 5 {
		apply(t, k, "voip_bl", cidr.IPv4, lists[(i+1)%2])
	}
	close(stop)
	if n := <-done; n == 0 {
		t.Error("nobody listed the set meanwhile")
	}
}

// TestNotSwitchedBack: a replaced foreign set cannot be restored, so voipbl's stays when a
// later set fails.
func TestNotSwitchedBack(t *testing.T) {
	k := openKernel(t)
	ipset(t, "create voip_bl hash:ip\n", "restore")
	first, err := plan(k, "voip_bl", cidr.IPv4, setOf("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := plan(k, "voip_bl6", cidr.IPv6, setOf("2001:db8::1"))
	if err != nil {
		t.Fatal(err)
	}
	second.Switch = []Step{{Op: opSwap, Set: "voip_bl6-next", Other: "gone"}}
	if _, err := k.Execute(first, second); !errors.Is(err, errExistsOrGone) {
		t.Errorf("got %v", err)
	}
	if names := strings.Fields(ipset(t, "", "list", "-name")); !slices.Equal(names, []string{"voip_bl"}) {
		t.Errorf("sets %v", names)
	}
	if _, entries := saved(t, "voip_bl"); len(entries) != 1 {
		t.Errorf("entries %v", entries)
	}
}

func TestErrorsOfTheKernel(t *testing.T) {
	k := openKernel(t)
	ipset(t, "create a hash:net\ncreate b hash:ip\ncreate c list:set\nadd c a\n", "restore")
	for name, test := range map[string]struct{ err, want error }{
		"destroy of nothing":                       {k.Destroy("x"), ErrNotFound},
		"destroy of a used one":                    {k.Destroy("a"), errBusy},
		"rename of a used one":                     {k.op("rename", "a", renameRequest("a", "y")), errReferenced},
		"swap with nothing":                        {k.op("swap", "a", swapRequest("a", "x")), errExistsOrGone},
		"swap with another type":                   {k.op("swap", "a", swapRequest("a", "b")), errMismatch},
		"create of a known name":                   {k.op("create", "a", createRequest(spec{"a", cidr.IPv4, 6, 64, 64})), errExists},
		"create of a revision that does not exist": {k.op("create", "z", createRequest(spec{"z", cidr.IPv4, 99, 64, 64})), errNoType},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v", name, test.err)
		}
	}
	if _, err := k.Dump("x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("dump of nothing: %v", err)
	}
	if _, err := k.Header("x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("header of nothing: %v", err)
	}
}

// TestWithoutRights runs this test's own binary as nobody.
func TestWithoutRights(t *testing.T) {
	if os.Getenv("VOIPBL_TEST_NOBODY") != "" {
		_, err := Open()
		fmt.Println(err, "/", err.(*opError).Remedy())
		return
	}
	testskip.UnlessRoot(t)
	testns.Enter(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	exe := dir + "/test"
	if err := errors.Join(os.WriteFile(exe, self, 0o755), os.Chmod(dir, 0o755), os.Chmod(dir+"/..", 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run", "^TestWithoutRights$")
	cmd.Dir = "/"
	cmd.Env = []string{"VOIPBL_TEST_NOBODY=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := "ipset open: not permitted (error 1) / run it as root, or give it CAP_NET_ADMIN"; !strings.Contains(string(out), want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestKernelListsAsExpected: the kernel lists entries of our sets in the form that is read
// fast.
func TestKernelListsAsExpected(t *testing.T) {
	k := openKernel(t)
	for _, f := range cidr.Families {
		apply(t, k, "voip_bl", f, randomSet(f, 1000))
		fast, n := 0, 0
		_, err := k.list("list", "voip_bl", listRequest("voip_bl"), listing{entries: true, raw: func(_ *Live, data []byte) error {
			if n++; counted[f].decode(data, new(entry)) {
				fast++
			}
			return nil
		}})
		if err != nil || fast == 0 || fast != n {
			t.Errorf("%s: %d of %d entries, %v", f, fast, n, err)
		}
		if err := k.Destroy("voip_bl"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRequests counts the messages that a plan needs. A header is not asked for again that
// is known, since the kernel goes through all entries for it.
func TestRequests(t *testing.T) {
	k := openKernel(t)
	for f, batches := range [2]uint32{36, 49} {
		f := cidr.Family(f)
		first, second := addresses(f, 72_000), addresses(f, 71_999)
		sent := func(desired cidr.Set) uint32 {
			before := k.seq
			apply(t, k, "voip_bl", f, desired)
			return k.seq - before
		}
		for _, c := range []struct {
			what    string
			desired cidr.Set
			want    uint32
		}{
			{"cold: list, destroy, create, header, adds, header, rename", first, 6 + batches},
			{"unchanged: list, destroy", first, 2},
			{"changed: list, destroy, create, header, adds, header, swap, destroy", second, 7 + batches},
		} {
			if got := sent(c.desired); got != c.want {
				t.Errorf("%s: %d messages, not %d, for %s", c.what, got, c.want, f)
			}
		}
		if err := k.Destroy("voip_bl"); err != nil {
			t.Fatal(err)
		}
	}
}

// addresses returns a set of n entries.
func addresses(f cidr.Family, n int) cidr.Set {
	var b cidr.Builder
	for i := range n {
		addr := make([]byte, f.Bits()/8)
		binary.BigEndian.PutUint32(addr, uint32(9<<24+2*i))
		p, _ := cidr.FromBytes(addr, f.Bits())
		b.Add(p)
	}
	return b.Sets()[f]
}
