package ipsetsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

// banNames are the ban sets of the tests, by family.
var banNames = [2]string{"bans", "bans6"}

// TestOwnBans adds, renews and removes bans one by one, in both families.
func TestOwnBans(t *testing.T) {
	testns.Enter(t)
	k := openKernel(t)
	for f, entries := range [2][]string{{"192.0.2.1", "198.51.100.0/24", "0.0.0.0/1"}, {"2001:db8::1", "2001:db8:1::/64", "8000::/1"}} {
		name, family := banNames[f], cidr.Family(f)
		made, err := k.EnsureOwnBanSet(name, family)
		h, unread := k.Header(name)
		if err != nil || unread != nil || !made || h.Maxelem != maxelemOwnBans || !h.Timeout || !h.Counters {
			t.Fatalf("made %v: %+v, %v", made, h, err)
		}
		if made, err := k.EnsureOwnBanSet(name, family); made || err != nil {
			t.Errorf("again: made %v: %v", made, err)
		}
		p := func(i int) cidr.Prefix { return cidr.MustParsePrefix(entries[i]) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		want := func(w Timed) {
			t.Helper()
			_, got, err := k.OwnBans(name)
			must(err)
			if plan := NewBanPlan(name, family, w, got); !plan.Unchanged() {
				t.Errorf("the kernel has %v, not %v: %+v", got, w, plan)
			}
		}
		must(k.Ban(name, []Timeout{{p(0), time.Minute}, {p(1), Forever}, {p(2), 30 * 24 * time.Hour}}))
		want(Timed{p(0): time.Minute, p(1): Forever, p(2): Forever}) // longer than MaxTimeout
		ipset(t, "", "test", name, entries[0])

		// A second ban sets the new time. BanNew does not change existing entries.
		must(k.Ban(name, []Timeout{{p(0), time.Hour}, {p(1), 10 * time.Minute}, {p(2), MaxTimeout}}))
		want(Timed{p(0): time.Hour, p(1): 10 * time.Minute, p(2): MaxTimeout})
		must(k.Unban(name, []cidr.Prefix{p(2)}))
		fresh, err := k.BanNew(name, []Timeout{{p(0), Forever}, {p(2), 5 * time.Minute}})
		must(err)
		if !slices.Equal(fresh, []cidr.Prefix{p(2)}) {
			t.Errorf("new are %v", fresh)
		}
		want(Timed{p(0): time.Hour, p(1): 10 * time.Minute, p(2): 5 * time.Minute})

		// Removing an entry twice is no error.
		for range 2 {
			must(k.Unban(name, []cidr.Prefix{p(0), p(2)}))
		}
		want(Timed{p(1): 10 * time.Minute})

		// A plan makes the set hold the desired entries.
		_, live, err := k.OwnBans(name)
		must(err)
		desired := Timed{p(0): Forever, p(2): 90 * time.Second}
		plan := NewBanPlan(name, family, desired, live)
		if len(plan.Add) != 2 || plan.Missing != 2 || !slices.Equal(plan.Delete, []cidr.Prefix{p(1)}) {
			t.Errorf("planned %+v", plan)
		}
		must(k.ExecuteBans(plan))
		want(desired)

		// A difference of a second from rounding is ignored, one of a minute is not.
		if plan := NewBanPlan(name, family, Timed{p(0): Forever, p(2): 92 * time.Second}, Timed{p(0): Forever, p(2): 90 * time.Second}); !plan.Unchanged() {
			t.Errorf("two seconds are a difference: %+v", plan)
		}
		if plan := NewBanPlan(name, family, Timed{p(0): time.Second}, Timed{p(2): time.Second}); plan.Missing != 0 || len(plan.Delete) != 0 {
			t.Errorf("what is about to end is missing, or should not be there: %+v", plan)
		}
		if plan := NewBanPlan(name, family, Timed{p(0): time.Second, p(2): 150 * time.Second}, Timed{p(0): Forever, p(2): 90 * time.Second}); len(plan.Add) != 2 || plan.Missing != 0 {
			t.Errorf("a minute, or an end, is no difference: %+v", plan)
		}
	}
}

// TestOwnBansExpire: the kernel removes entries when their time is over, also times
// below a second.
func TestOwnBansExpire(t *testing.T) {
	testns.Enter(t)
	k := openKernel(t)
	if _, err := k.EnsureOwnBanSet("bans", cidr.IPv4); err != nil {
		t.Fatal(err)
	}
	if err := k.Ban("bans", []Timeout{{cidr.MustParsePrefix("192.0.2.1"), time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	if !testpoll.Until(30*time.Second, func() bool {
		h, err := k.Header("bans")
		if err != nil {
			t.Fatal(err)
		}
		return h.Elements == 0
	}) {
		t.Fatal("a ban of a millisecond is in force after 30 s")
	}
}

// TestOwnBansMany adds thousands of entries in one call. The error names an entry that
// the kernel refuses.
func TestOwnBansMany(t *testing.T) {
	testns.Enter(t)
	k := openKernel(t)
	for f := range banNames {
		name := banNames[f]
		if _, err := k.EnsureOwnBanSet(name, cidr.Family(f)); err != nil {
			t.Fatal(err)
		}
		var all []Timeout
		for i := range 10000 {
			text := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			if f == 1 {
				text = fmt.Sprintf("2001:db8:%x::/64", i)
			}
			all = append(all, Timeout{cidr.MustParsePrefix(text), time.Hour})
		}
		if err := k.Ban(name, all); err != nil {
			t.Fatal(err)
		}
		if h, err := k.Header(name); err != nil || h.Elements != 10000 {
			t.Errorf("%d entries, %v", h.Elements, err)
		}
	}
	wrong := []Timeout{{cidr.MustParsePrefix("10.0.0.1"), time.Hour}, {cidr.MustParsePrefix("2001:db8::1"), time.Hour}}
	if err := k.Ban("bans", wrong); err == nil || !strings.Contains(err.Error(), "2001:db8::1") {
		t.Errorf("an entry of the other family: %v", err)
	}
	if err := k.Ban("nowhere", wrong[:1]); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such set: %v", err)
	}
}

// TestForeignBanSet: a set that another program has made is refused and left unchanged.
func TestForeignBanSet(t *testing.T) {
	testns.Enter(t)
	k := openKernel(t)
	for create, why := range map[string]string{
		"a hash:ip timeout 0 counters":                          "hash:ip of IPv4",
		"b hash:net family inet6 timeout 0 counters":            "hash:net of IPv6",
		"c hash:net counters maxelem 262144":                    "cannot expire",
		"d hash:net timeout 0 maxelem 262144":                   "no counters",
		"e hash:net timeout 0 counters forceadd maxelem 262144": "forceadd",
		"f hash:net timeout 0 counters comment maxelem 262144":  "extensions",
		"g hash:net timeout 0 counters maxelem 100":             "maxelem is 100, not 262144",
		"h list:set": "list:set",
	} {
		ipset(t, "", strings.Fields("create "+create)...)
		before := ipset(t, "", "save")
		made, err := k.EnsureOwnBanSet(create[:1], cidr.IPv4)
		foreign := (*ForeignSetError)(nil)
		if made || !errors.As(err, &foreign) || !strings.Contains(err.Error(), why) || !strings.Contains(foreign.Remedy(), "ban_set:") {
			t.Errorf("%s: made %v: %v", create, made, err)
		}
		if after := ipset(t, "", "save"); after != before {
			t.Errorf("%s: now\n%s", create, after)
		}
	}
}
