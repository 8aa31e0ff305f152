package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/pbx"
)

func TestSource(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"1.2.3.4", "1.2.3.4", true},
		{"1.2.3.4", "1.2.3.5", false},
		{"1.2.3.4", "2.2.3.4", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"2001:db8:1:2::1", "2002:db8:1:2::1", false},
		{"0:0:102:304::", "1.2.3.4", false},
		{"::ffff:102:304:0:0", "1.2.3.4", false},
		{"64:ff9b::1.2.3.4", "64:ff9b::1.2.3.4", true},
		{"64:ff9b::1.2.3.4", "64:ff9b::1.2.3.5", false},
		{"64:ff9b::1.2.3.4", "1.2.3.4", false},
		{"64:ff9b:1::1.2.3.4", "64:ff9b:1::1.2.3.5", false},
		{"64:ff9b:1::1.2.3.4", "64:ff9b::1.2.3.4", false},
		{"64:ff9b:1::1.2.3.4", "1.2.3.4", false},
		{"2001::1.2.3.4", "1.2.3.4", false},
		{"64:ff9b:1:0:1:203:400::", "64:ff9b:1:0:2:203:400::", false},
		{"64:ff9b:1:0:1:203:400::", "64:ff9b:1:0:1:203:500::", false},
		{"2001:0:1:2:8000:63bf:3fff:fdd2", "2001:0:1:2:8000:63bf:3fff:fdd3", false},
		{"2001:0:1:2:8000:63bf:3fff:fdd2", "2001:0:1:2:8000:63bf:3fff:fdd2", true},
		{"2001:1:1:2:8000:63bf:3fff:fdd2", "2001:1:1:2:8000:63bf:3fff:fdd3", true},
		{"64:ff9b:2::1.2.3.4", "64:ff9b:2::1.2.3.5", true},
	} {
		if got := sourceOf(netip.MustParseAddr(c.a)) == sourceOf(netip.MustParseAddr(c.b)); got != c.same {
			t.Errorf("%s and %s: %v", c.a, c.b, got)
		}
	}
	for a, want := range map[string]string{"1.2.3.4": "1.2.3.4/32", "2001:db8:1:2::1": "2001:db8:1:2::/64", "64:ff9b::102:304": "64:ff9b::102:304/128"} {
		if got := prefixOf(netip.MustParseAddr(a)).String(); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}

// TestTable compares a table with a list, the oldest first.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type kept struct {
			key   source
			value int
		}
		const most = 4
		table := newTable[source, int](most)
		var want []kept
		for n := range 60 {
			key := source(rapid.Uint64Range(0, 9).Draw(t, "key"))
			at := slices.IndexFunc(want, func(k kept) bool { return k.key == key })
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				table.remove(key)
				if at >= 0 {
					want = slices.Delete(want, at, at+1)
				}
			case 1:
				if v := table.peek(key); (v != nil) != (at >= 0) || v != nil && *v != want[at].value {
					t.Fatalf("peek: %v, want %v", v, want)
				}
			default:
				v := table.get(key)
				before := 0
				if at >= 0 {
					before = want[at].value
					want = slices.Delete(want, at, at+1)
				} else if len(want) == most {
					want = want[1:]
				}
				if *v != before {
					t.Fatalf("get: %d, want %d", *v, before)
				}
				*v = n
				want = append(want, kept{key, n})
			}
			var got []kept
			for i := table.oldest; i >= 0; i = table.rows[i].newer {
				got = append(got, kept{table.rows[i].key, table.rows[i].value})
			}
			if !slices.Equal(got, want) || len(table.places) != len(want) || len(table.rows) > most {
				t.Fatalf("%v, want %v; %d places, %d rows", got, want, len(table.places), len(table.rows))
			}
		}
	})
}

// TestPhones compares the phones with a list.
func TestPhones(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPhones()
		addrs := []string{"1.1.1.1", "1.1.1.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}
		var want []phone // in the order of their use
		at := func(q phone) int {
			return slices.IndexFunc(want, func(o phone) bool { return o.addr == q.addr && o.account == q.account })
		}
		for n := range 60 {
			q := phone{
				addr:    netip.MustParseAddr(rapid.SampledFrom(addrs).Draw(t, "addr")),
				account: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "account"), last: moment(n),
			}
			s := sourceOf(q.addr)
			switch i := at(q); rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				if i >= 0 {
					p.forget(p.places[p.key(q.addr, q.account)])
					want = slices.Delete(want, i, i+1)
				}
			case 1:
				if n == 0 || n%5 == 0 {
					p.forgetAll(s)
					want = slices.DeleteFunc(want, func(o phone) bool { return sourceOf(o.addr) == s })
				}
			default:
				if found := p.find(q.addr, q.account); (found != nil) != (i >= 0) {
					t.Fatalf("find %v: %v, want %d", q, found, i)
				} else if found != nil {
					found.last = q.last
					want = slices.Delete(want, i, i+1)
				} else if !p.add(q) {
					t.Fatal("not added")
				}
				want = append(want, q)
			}
			var got []phone
			for i := p.oldest; i >= 0; i = p.rows[i].newer {
				got = append(got, p.rows[i].value)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
			if here := slices.ContainsFunc(want, func(o phone) bool { return sourceOf(o.addr) == s }); p.here.has(s) != here {
				t.Fatalf("here %v, want %v", !here, here)
			}
			for _, most := range []int{1, 10} {
				accounts := map[string]bool{}
				for _, o := range want {
					if sourceOf(o.addr) == s {
						accounts[o.account] = true
					}
				}
				if got := p.accounts(s, most); got != min(most, len(accounts)) {
					t.Fatalf("%d accounts, want %d", got, len(accounts))
				}
			}
			of := p.of(q.account, s)
			if want := slices.ContainsFunc(want, func(o phone) bool { return sourceOf(o.addr) == s && o.account == q.account }); (of != nil) != want {
				t.Fatalf("of: %v, want %v", of, want)
			}
		}
	})
}

// TestRoomOfAccount: an account makes room among its own phones only: one that is not in use, or else
// the first one that is not among those known for longest.
func TestRoomOfAccount(t *testing.T) {
	for quiet := range pbx.MostOfAccount {
		for age, gone := range map[time.Duration]int{pbx.InUse: quiet, pbx.InUse - 1: pbx.MostOfAccount / 2} {
			p, now := newPhones(), moment(2*pbx.InUse)
			p.add(phone{addr: nth(0).Addr(), account: "other"})
			for i := range pbx.MostOfAccount {
				last := now - moment(i)
				if i == quiet {
					last = now.add(-age)
				}
				p.add(phone{addr: nth(1 + i).Addr(), account: "a", since: moment(1 + i), last: last})
			}
			p.add(phone{addr: nth(100).Addr(), account: "a", since: now, last: now})
			if p.find(nth(0).Addr(), "other") == nil || p.find(nth(1+gone).Addr(), "a") != nil || p.find(nth(100).Addr(), "a") == nil || len(p.places) != 1+pbx.MostOfAccount {
				t.Errorf("%d, %s: %v", quiet, age, p.places)
			}
		}
	}
}

// TestRoomForPhones: which one makes room.
func TestRoomForPhones(t *testing.T) {
	p := newPhones()
	for i := range pbx.MostPhones {
		q := phone{addr: nth(i).Addr(), account: fmt.Sprint(max(0, i-pbx.MostOfAccount+1)), since: moment(i), last: moment(pbx.MostPhones - i), proved: true}
		if !p.add(q) {
			t.Fatal(i)
		}
	}
	for _, c := range []struct {
		account string
		proved  bool
		added   bool
		gone    int
	}{
		{"new", false, false, -1},
		{"0", false, true, pbx.MostOfAccount / 2},
		{"new", true, true, 0},
		{"new2", true, true, 1},
		{"0", true, true, 2},
	} {
		before := make(map[netip.Addr]bool)
		for i := p.oldest; i >= 0; i = p.rows[i].newer {
			before[p.rows[i].value.addr] = true
		}
		fresh := netip.MustParseAddr("2001:db8::1")
		for before[fresh] {
			fresh = fresh.Next()
		}
		if got := p.add(phone{addr: fresh, account: c.account, proved: c.proved, since: pbx.MostPhones + 1, last: pbx.MostPhones + 1}); got != c.added {
			t.Errorf("%v: %v", c, got)
		}
		for i := p.oldest; i >= 0; i = p.rows[i].newer {
			delete(before, p.rows[i].value.addr)
		}
		if c.gone < 0 && len(before) > 0 || c.gone >= 0 && (len(before) != 1 || !before[nth(c.gone).Addr()]) {
			t.Errorf("%v: gone are %v", c, before)
		}
	}
	if n := len(p.places); n != pbx.MostPhones {
		t.Errorf("%d phones", n)
	}
}
