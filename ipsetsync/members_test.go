package ipsetsync

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestMembers reads sets of every type with addresses, made by ipset(8), and compares with
// the kernel's own answer for each address.
func TestMembers(t *testing.T) {
	testns.Enter(t)
	k := openKernel(t)
	ipset(t, `create ip hash:ip
add ip 9.9.9.9
create masked hash:ip netmask 24
add masked 9.9.8.7
create net hash:net counters
add net 9.9.0.0/16
add net 9.9.9.0/24 nomatch
add net 9.9.9.128/25
create bits bitmap:ip range 9.9.9.0/24
add bits 9.9.9.7
create six hash:net family inet6
add six 2a00:1::/32
create port hash:ip,port
add port 9.9.9.9,udp:5060
add port 9.9.9.9,tcp:5061
create face hash:net,iface
add face 9.9.0.0/16,eth0
create mac bitmap:port range 5000-5100
add mac 5060
create list list:set
add list ip
add list net
`, "restore")
	for set, wants := range map[string][]string{
		"ip":     {"9.9.9.9 all 9.9.9.9", "9.9.9.8 none", "9.9.9.0/24 some 9.9.9.9", "::/0 none"},
		"masked": {"9.9.8.1 all 9.9.8.0/24", "9.9.9.1 none", "9.9.8.0/25 all 9.9.8.0/24", "9.9.8.0/23 some 9.9.8.0/24"},
		"net":    {"9.9.8.8 all 9.9.0.0/16", "9.9.9.8 none", "9.9.9.129 all 9.9.9.128/25", "9.9.0.0/16 some 9.9.0.0/16", "9.9.9.0/24 some 9.9.9.128/25", "8.8.8.8 none"},
		"bits":   {"9.9.9.7 all 9.9.9.7", "9.9.9.8 none"},
		"six":    {"2a00:1::7 all 2a00:1::/32", "2a00:2::7 none", "2a00::/16 some 2a00:1::/32"},
		"port":   {"9.9.9.9 all 9.9.9.9 tcp 5061,udp 5060", "9.9.9.8 none"},
		"face":   {"9.9.9.9 all 9.9.0.0/16 on eth0"},
		"mac":    {"9.9.9.9 unknown"},
	} {
		m, err := k.Members(set)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			query, _, _ := strings.Cut(want, " ")
			p := cidr.MustParsePrefix(query)
			got := m.Look(p)
			text := query + " " + [...]string{"none", "some", "all", "unknown"}[got.Share]
			if got.Share == AllOf || got.Share == SomeOf {
				text += " " + got.Entry.String()
			}
			if len(got.Limits) > 0 {
				sorted := append([]string{}, got.Limits...)
				if sorted[0] > sorted[len(sorted)-1] {
					sorted[0], sorted[1] = sorted[1], sorted[0]
				}
				text += " " + strings.Join(sorted, ",")
			}
			if text != want {
				t.Errorf("%s: got %q, want %q", set, text, want)
			}
			single := p.Bits() == p.Family().Bits()
			if single && got.Share != Unknown && len(got.Limits) == 0 && p.Family() == m.Family {
				if in := exec.Command("ipset", "-q", "test", set, query).Run() == nil; in != (got.Share == AllOf) {
					t.Errorf("%s: the kernel says %v of %s", set, in, query)
				}
			}
		}
	}
	exceptions := func(set string) *Members {
		m, err := k.Members(set)
		if err != nil {
			t.Fatal(err)
		}
		return m.Exceptions()
	}
	for query, want := range map[string]Share{"9.9.9.8": AllOf, "9.9.9.129": NoneOf, "9.9.8.8": NoneOf, "8.8.8.8": NoneOf, "9.9.9.0/24": SomeOf, "9.9.9.0/25": AllOf, "9.9.0.0/16": SomeOf} {
		p := cidr.MustParsePrefix(query)
		if got := exceptions("net").Look(p); got.Share != want {
			t.Errorf("an exception of net is %s: %v, want %v", query, got.Share, want)
		}
		if single := p.Bits() == p.Family().Bits(); single {
			if in := exec.Command("ipset", "-q", "test", "net", query, "nomatch").Run() == nil; in != (want == AllOf) {
				t.Errorf("the kernel says %v of the exception %s", in, query)
			}
		}
	}
	if got := exceptions("ip").Look(cidr.MustParsePrefix("9.9.9.9")); got.Share != AllOf {
		t.Errorf("a type without exceptions: %v", got)
	}
	m, err := k.Members("list")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ip", "net"}, m.Sets); diff != "" {
		t.Error(diff)
	}
	if _, err := k.Members("none"); err == nil {
		t.Error("a set that is not there has members")
	}
}

// TestMembersOfLarge looks up many addresses in a large set of known entries.
func TestMembersOfLarge(t *testing.T) {
	testns.Enter(t)
	k := openKernel(t)
	var text strings.Builder
	text.WriteString("create large hash:net maxelem 300000 hashsize 65536\n")
	for i := range 200_000 {
		fmt.Fprintf(&text, "add large %d.%d.%d.128/25\n", 20+i/65536, i/256%256, i%256)
	}
	ipset(t, text.String(), "restore")
	m, err := k.Members("large")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200_000 {
		for last, want := range map[int]Share{7: NoneOf, 200: AllOf} {
			p := cidr.MustParsePrefix(fmt.Sprintf("%d.%d.%d.%d", 20+i/65536, i/256%256, i%256, last))
			if got := m.Look(p); got.Share != want {
				t.Fatalf("%s: %v", p, got)
			}
		}
	}
}
