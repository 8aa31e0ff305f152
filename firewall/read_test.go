package firewall

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){testfault.Launcher: testfault.Launch, "rules": tellRules, "unchain": unchain})
}

// tellRules is a program that prints which rules of each family it can see.
func tellRules() {
	saved, _ := (&Firewall{Backend: NFT}).Read(context.Background())
	for _, s := range saved {
		switch err := s.Unknown(); {
		case Passing(err):
			fmt.Println("unknown")
			continue
		case err != nil:
			fmt.Println("unknown for good:", err)
			continue
		}
		fmt.Print(s.Count(), " rules,")
		for _, table := range s.TableNames() {
			for _, chain := range s.Chains(table, func(string, *iptables.SavedChain) bool { return true }) {
				fmt.Printf(" %s %s %s %q", table, chain, s.Tables[table][chain].Policy, s.Texts(table, chain))
			}
		}
		fmt.Println()
	}
}

// unchain is a program that removes fail2ban's unused chain in IPv6, and prints whether it succeeded.
func unchain() {
	_, err := (&Firewall{Backend: NFT}).RemoveBanChain(context.Background(), iptables.IPv6)
	fmt.Print(err == nil)
}

// TestReadLies has the kernel answer ENOBUFS to one message of the tools, each in turn, or to all from it on.
// The tools then show chains as empty, or none at all, and some exit with 0. What is missing from a listing
// must never be taken for removed.
func TestReadLies(t *testing.T) {
	h := newHost(t, NFT)
	h.load(residents)
	h.apply(testrules.Full().Wanted())
	run := func(program string, f testfault.Fault) (said string, messages int) {
		cmd := testfault.New(f, program)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		return out.String(), cmd.Calls(testfault.Tool)
	}
	everywhere := func(program string, on bool, each func(f testfault.Fault, said string)) {
		_, n := run(program, testfault.Fault{})
		if n < 20 {
			t.Fatalf("%s: %d messages of the tools", program, n)
		}
		for i := range n {
			f := testfault.Fault{Kind: testfault.Tool, N: 1 + i, Errno: unix.ENOBUFS, On: on}
			said, _ := run(program, f)
			each(f, said)
		}
	}

	truth, _ := run("rules", testfault.Fault{})
	families := strings.Split(truth, "\n")
	for _, on := range []bool{false, true} {
		everywhere("rules", on, func(f testfault.Fault, said string) {
			now := strings.Split(said, "\n")
			for i := range iptables.Families {
				if len(now) != 3 || now[i] != families[i] && now[i] != "unknown" {
					t.Errorf("%s: %q of %q", f, said, truth)
				}
			}
		})
	}

	h.apply(ruleset.Wanted{})
	h.sh("ip6tables -N " + iptables.SSHChain + " 2>/dev/null || :")
	there := func() bool { return strings.Contains(h.sh("ip6tables-save"), ":"+iptables.SSHChain+" ") }
	if !there() {
		t.Fatal("the chain is not there")
	}
	for _, on := range []bool{false, true} {
		everywhere("unchain", on, func(f testfault.Fault, said string) {
			if said == "true" && there() {
				t.Errorf("%s: all is said to be well, and the chain stays", f)
			}
			h.sh("ip6tables -N " + iptables.SSHChain + " 2>/dev/null || :")
		})
	}
}
