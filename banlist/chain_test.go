package banlist

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
)

// inOne returns the ban of the i-th address of a /64, which blocks all of it.
func inOne(i int, now Clock) Ban {
	b := New(netip.MustParsePrefix("2a00:9::/64"), "fail2ban a", time.Hour+time.Duration(i)*time.Second, now)
	b.Address = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x2a, 0, 0, 9, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}), 128)
	return b
}

// TestChain: whatever is added and removed in whatever order, the bans of one prefix are those of a plain list, in the
// order in which they were added.
func TestChain(t *testing.T) {
	now := at(time.Hour)
	r := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{3, indexFrom, 3 * indexFrom} { // how many bans there may be
		table := NewTable()
		var list []Ban
		for range 1500 {
			b := inOne(r.IntN(most), now)
			if r.IntN(3) == 0 {
				b.Reason = "another"
			}
			list = slices.DeleteFunc(list, func(o Ban) bool { return o.Address == b.Address && o.Reason == b.Reason })
			if r.IntN(2) == 0 {
				table.Remove(b)
			} else {
				table.Add(b)
				list = append(list, b)
			}
			if table.Len() != len(list) || !slices.Equal(addresses(table.Find(b.Prefix, "")), addresses(list)) {
				t.Fatalf("%v\n%v", addresses(table.Find(b.Prefix, "")), addresses(list))
			}
		}
		for _, b := range list {
			table.Remove(b)
		}
		if len(table.byPrefix)+len(table.long)+table.Len() != 0 {
			t.Errorf("%d: something is left: %v, %v", most, table.byPrefix, table.long)
		}
	}
}

func addresses(bans []Ban) (all []string) {
	for _, b := range bans {
		all = append(all, fmt.Sprint(b.Address, b.Reason))
	}
	return all
}

// TestChainExpires: bans of one prefix end one after the other, first those that end first.
func TestChainExpires(t *testing.T) {
	now := at(time.Hour)
	table := NewTable()
	const n = 4 * indexFrom
	for i := range n {
		table.Add(inOne(i, now))
	}
	for i := range n {
		if left, any := table.BlockedFor(cidr.MustParsePrefix("2a00:9::7/128"), now); !any || left != time.Hour+(n-1)*time.Second {
			t.Fatalf("%d: %s, %v", i, left, any)
		}
		if over := table.Expire(at(2*time.Hour + time.Duration(i)*time.Second)); len(over) != 1 || over[0].Address != inOne(i, now).Address {
			t.Fatalf("%d: %v", i, over)
		}
	}
	if table.Len() != 0 {
		t.Error(table.Len())
	}
}

// TestLongChain: many bans of one prefix are added, replaced, read from the journal and removed in about the time that so
// many of different prefixes take. As a plain list, that takes minutes.
func TestLongChain(t *testing.T) {
	const n = 20_000
	now := at(time.Hour)
	took := func(of func(i int) Ban) time.Duration {
		began := time.Now()
		table := NewTable()
		for range 2 {
			for i := range n {
				table.Add(of(i))
			}
		}
		table = Decode(table.Encode(now), now).Table
		if table.Len() != n {
			t.Fatal(table.Len())
		}
		for i := range n {
			table.Remove(of(i))
		}
		if table.Len() != 0 {
			t.Fatal(table.Len())
		}
		return time.Since(began)
	}
	one := took(func(i int) Ban { return inOne(i, now) })
	many := took(func(i int) Ban {
		return New(netip.PrefixFrom(netip.AddrFrom4([4]byte{45, byte(i >> 16), byte(i >> 8), byte(i)}), 32), "fail2ban a", time.Hour, now)
	})
	if one > 10*many+time.Second {
		t.Errorf("bans of one prefix took %s, of many %s", one, many)
	}
}
