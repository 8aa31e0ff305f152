package known

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/voipbl/voipbl/internal/deadline"
	"github.com/voipbl/voipbl/pbx"
)

func at(boot string, up, wall time.Duration) deadline.Clock {
	return deadline.Clock{Boot: boot, Up: up, Wall: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC).Add(wall)}
}

func phone(addr, account string, left time.Duration) Phone {
	return Phone{Addr: netip.MustParseAddr(addr), Account: account, Transport: "udp", Since: at("", 0, 0).Wall, Left: left}
}

// words returns the phones of a list, with what is left of their registrations.
func words(l List) string {
	var all []string
	for _, p := range l.Phones {
		all = append(all, fmt.Sprintf("%s/%s %v", p.Addr, p.Account, p.Left))
	}
	return strings.Join(all, ", ")
}

// TestClocks: setting a clock never makes trust last longer, nor takes it away while the host runs.
func TestClocks(t *testing.T) {
	l := List{Serial: 1, Written: at("one", time.Hour, 0)}.with([]Phone{phone("1.1.1.1", "a", time.Hour)})
	const day = 24 * time.Hour
	for _, test := range []struct {
		what      string
		now       deadline.Clock
		unlimited time.Duration
		listed    bool // a list may block it
	}{
		{"at once", at("one", time.Hour, 0), 2 * time.Hour, false},
		{"in time", at("one", 2*time.Hour, time.Hour), time.Hour, false},
		{"the last moment without limits", at("one", 3*time.Hour-1, 0), 1, false},
		{"the first with limits", at("one", 3*time.Hour, 0), 0, false},
		{"the last moment that no list blocks it", at("one", 2*time.Hour+7*day-1, 0), 0, false},
		{"over", at("one", 2*time.Hour+7*day, 0), 0, true},
		{"set back by a year", at("one", 2*time.Hour, -365*day), time.Hour, false},
		{"set forward by a year", at("one", 2*time.Hour, 365*day), time.Hour, false},
		{"a new boot, in time", at("two", time.Minute, time.Hour), time.Hour, false},
		{"a new boot, after a week", at("two", time.Minute, time.Hour+7*day), 0, true},
		{"a new boot, years behind", at("two", 0, -10000*day), 2 * time.Hour, false},
		{"a new boot, years ahead", at("two", 0, 10000*day), 2 * time.Hour, false},
	} {
		now := l.At(test.now)
		if got := now.Unlimited()[l.Phones[0].Addr]; got != test.unlimited {
			t.Errorf("%s: %v without limits, not %v", test.what, got, test.unlimited)
		}
		if got := len(now.Addresses()) == 0; got != test.listed {
			t.Errorf("%s: a list may block it: %v", test.what, got)
		}
	}
}

// TestOffice: an address counts as long as the last of its phones, and is told with all accounts.
func TestOffice(t *testing.T) {
	l := List{}.with([]Phone{phone("2.2.2.2", "b", -2*time.Hour), phone("1.1.1.1", "b", time.Hour), phone("1.1.1.1", "a", time.Minute)})
	if got, want := words(l), "1.1.1.1/a 1m0s, 1.1.1.1/b 1h0m0s, 2.2.2.2/b -2h0m0s"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	one, two := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2")
	if d := cmp.Diff(map[netip.Addr][]string{one: {"a", "b"}, two: {"b"}}, l.Addresses(), cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Error(d)
	}
	if over := (List{}).with([]Phone{phone("2.2.2.2", "b", -LimitsGrace)}); len(over.Unlimited()) != 0 {
		t.Errorf("without limits at the end: %v", over.Unlimited())
	}
	if got := l.Unlimited(); len(got) != 1 || got[one] != 2*time.Hour {
		t.Errorf("without limits: %v", got)
	}
	if !l.Has(one) || !l.Has(two) || l.Has(netip.MustParseAddr("1.1.1.0")) || l.Has(netip.MustParseAddr("3.3.3.3")) {
		t.Errorf("wrong addresses in %s", words(l))
	}
	again := phone("1.1.1.1", "a", 2*time.Hour)
	again.Since = again.Since.Add(time.Hour)
	if l = l.with([]Phone{again}); l.Phones[0].Left != 2*time.Hour || !l.Phones[0].Since.Equal(at("", 0, 0).Wall) {
		t.Errorf("renewed: %+v", l.Phones[0])
	}
	rest, gone := l.without([]netip.Prefix{netip.MustParsePrefix("1.1.0.0/16")})
	if words(rest) != "2.2.2.2/b -2h0m0s" || len(gone) != 2 || len(l.Phones) != 3 {
		t.Errorf("left %s, gone %v", words(rest), gone)
	}
}

// TestBounds: neither one account nor all together grow without end. Of an account, that goes which is
// not in use, and then what is neither known for longest nor new; of all, what ends soonest.
func TestBounds(t *testing.T) {
	var many []Phone
	for i := range 300 {
		many = append(many, phone(fmt.Sprintf("9.9.%d.%d", i/250, i%250), "stolen", time.Duration(i)*time.Second))
	}
	victim, unused := phone("1.1.1.2", "stolen", -23*time.Hour), phone("1.1.1.3", "stolen", -25*time.Hour)
	unused.Since = unused.Since.Add(-time.Hour)
	l := List{}.with([]Phone{victim, unused, phone("1.1.1.1", "honest", time.Second)})
	for i := range many {
		many[i].Since = many[i].Since.Add(time.Duration(i) * time.Second)
		many[i].Left += pbx.LongestRegistration
		if i > pbx.MostOfAccount {
			l = l.with(many[i : i+1])
		} else if i == pbx.MostOfAccount {
			l = l.with(many[:i+1])
		}
	}
	moved := phone("1.1.1.4", "stolen", time.Minute)
	moved.Since = many[299].Since.Add(time.Second)
	l = l.with([]Phone{moved})
	if len(l.Phones) != pbx.MostOfAccount+1 || !l.Has(netip.MustParseAddr("1.1.1.1")) || !l.Has(many[299].Addr) || l.Has(many[299-pbx.MostOfAccount].Addr) {
		t.Errorf("%d: %s", len(l.Phones), words(l))
	}
	if !l.Has(victim.Addr) || !l.Has(moved.Addr) || l.Has(unused.Addr) {
		t.Errorf("who has stolen a password has pushed out its phone: %s", words(l))
	}
	if !slices.IsSortedFunc(l.Phones, compare) {
		t.Errorf("not in order: %s", words(l))
	}
	many = nil
	for i := range pbx.MostPhones + 100 {
		many = append(many, phone(fmt.Sprintf("9.%d.%d.1", i/250, i%250), fmt.Sprint(i), time.Duration(i)*time.Second))
	}
	l = List{}.with(many)
	if len(l.Phones) != pbx.MostPhones || l.Has(many[99].Addr) || !l.Has(many[100].Addr) {
		t.Errorf("%d phones", len(l.Phones))
	}
	text, err := json.MarshalIndent(l.encode(), "", "  ")
	if err != nil || len(text) > 4<<20 { // the store takes 8 MiB
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// TestSpread: an account that is registered from many addresses at once is told, once.
func TestSpread(t *testing.T) {
	var l List
	account := func(name string, from, to int, left time.Duration) (before List) {
		before = l
		var phones []Phone
		for i := from; i < to; i++ {
			phones = append(phones, phone(fmt.Sprintf("9.9.9.%d", i), name, left))
		}
		l = l.with(phones)
		return before
	}
	words := func(all []Spread) string {
		var words []string
		for _, s := range all {
			words = append(words, fmt.Sprint(s.Account, " ", s.Addresses))
		}
		return strings.Join(words, ", ")
	}
	for _, step := range []struct {
		name     string
		from, to int
		left     time.Duration
		now, new string
	}{
		{"office", 0, 5, time.Hour, "", ""},
		{"roaming", 0, 9, -time.Hour, "", ""}, // one after the other
		{"ended", 0, 9, 0, "", ""},
		{"stolen", 0, 6, time.Hour, "stolen 6", "stolen 6"},
		{"stolen", 6, 8, time.Hour, "stolen 8", ""},
		{"other", 0, 6, time.Hour, "stolen 8, other 6", "other 6"},
		{"stolen", 0, 3, -time.Second, "other 6", ""},
		{"stolen", 0, 1, time.Second, "other 6, stolen 6", "stolen 6"},
	} {
		before := account(step.name, step.from, step.to, step.left)
		if now, new := words(l.Spread()), words(l.spreadSince(before)); now != step.now || new != step.new {
			t.Errorf("%s %d to %d: %s, new %s", step.name, step.from, step.to, now, new)
		}
	}
}

func TestFile(t *testing.T) {
	l := List{Serial: 3, Written: at("one", time.Hour, 0)}.with([]Phone{phone("1.1.1.1", "a", time.Hour), phone("2a00::1", "ü \"", -time.Hour)})
	text, err := json.Marshal(l.encode())
	if err != nil {
		t.Fatal(err)
	}
	read := func(text string) (List, error) {
		var f file
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			return List{}, err
		}
		return f.decode()
	}
	got, err := read(string(text))
	if d := cmp.Diff(l, got, cmpopts.EquateComparable(netip.Addr{})); d != "" || err != nil {
		t.Errorf("%v: %s", err, d)
	}
	for _, damage := range [][2]string{{"1.1.1.1", "1.1.1.2"}, {`"serial":3`, `"serial":4`}, {`"left":3`, `"left":9`}, {`"account":"a"`, `"account":"b"`}, {`"boot":"one"`, `"boot":"two"`}} {
		spoilt := strings.Replace(string(text), damage[0], damage[1], 1)
		if spoilt == string(text) {
			t.Fatalf("%s is not in %s", damage[0], text)
		}
		if l, err := read(spoilt); err == nil {
			t.Errorf("%s: %s", damage[1], words(l))
		}
	}
	one, two, nobody := l.Phones[0], l.Phones[1], l.Phones[0]
	nobody.Account = ""
	for what, phones := range map[string][]Phone{
		"2: it is not in order": {two, one}, "2: one is there twice": {one, one}, "1: there is no account": {nobody, two}, "1: there is no address": {{Account: "a"}, one},
	} {
		l.Phones = phones
		number, _, _ := strings.Cut(what, ":")
		if _, err := l.encode().decode(); err == nil || !strings.Contains(err.Error(), "phone number "+number) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestRequest: what may get on the list, and what not.
func TestRequest(t *testing.T) {
	now := at("one", time.Hour, 0)
	seen := func(change func(s *Seen)) Seen {
		s := Seen{Addr: netip.MustParseAddr("1.1.1.1"), Account: "6001", Transport: "udp", Since: now.Wall, Until: now.Wall.Add(time.Hour)}
		change(&s)
		return s
	}
	addr := func(text string) Seen { return seen(func(s *Seen) { s.Addr = netip.MustParseAddr(text) }) }
	span := func(since, until time.Duration) Seen {
		return seen(func(s *Seen) { s.Since, s.Until = now.Wall.Add(since), now.Wall.Add(until) })
	}
	const day = 24 * time.Hour
	for _, test := range []struct {
		what string
		Seen
		want string // on the list; "no" if it is refused, "never" with the whole request
	}{
		{"a phone", seen(func(*Seen) {}), "1.1.1.1/6001 1h0m0s"},
		{"IPv6", addr("2a00::1"), "2a00::1/6001 1h0m0s"},
		{"a private address", addr("10.0.0.1"), "10.0.0.1/6001 1h0m0s"},
		{"registered for years", span(0, 1000*day), "1.1.1.1/6001 24h0m0s"},
		{"not registered", span(0, 0), "1.1.1.1/6001 0s"},
		{"registered some days ago", span(-6*day, -6*day+time.Hour), "1.1.1.1/6001 -143h0m0s"},
		{"over", span(-8*day, -7*day), "no"},
		{"in the future", span(time.Hour, 2*time.Hour), "no"},
		{"loopback", addr("127.0.0.1"), "no"},
		{"multicast", addr("224.0.0.1"), "no"},
		{"unspecified", addr("::"), "no"},
		{"link local", addr("fe80::1"), "no"},
		{"banned", addr("6.6.6.6"), "no"},
		{"banned, but known before", addr("7.7.7.7"), "7.7.7.7/6001 1h0m0s"},
		{"no address", seen(func(s *Seen) { s.Addr = netip.Addr{} }), "never"},
		{"a zone", addr("fe80::1%eth0"), "never"},
		{"IPv4 in IPv6", addr("::ffff:1.1.1.1"), "never"},
		{"no account", seen(func(s *Seen) { s.Account = "" }), "never"},
		{"an endless account", seen(func(s *Seen) { s.Account = strings.Repeat("a", 65) }), "never"},
		{"an account with a line break", seen(func(s *Seen) { s.Account = "a\nb" }), "never"},
		{"an account that is no UTF-8", seen(func(s *Seen) { s.Account = "\xff" }), "never"},
		{"an unknown transport", seen(func(s *Seen) { s.Transport = "sctp" }), "never"},
		{"no time", seen(func(s *Seen) { s.Since = time.Time{} }), "never"},
		{"ended before", span(0, -1), "never"},
	} {
		r := Request{Phones: []Seen{test.Seen}}
		if err := r.check(); err != nil != (test.want == "never") {
			t.Errorf("%s: %v", test.what, err)
		}
		if test.want == "never" {
			continue
		}
		before := List{Written: now}
		if strings.Contains(test.what, "known before") {
			before = before.with([]Phone{phone("7.7.7.7", "6001", time.Minute)})
		}
		l, a := before.change(r, now, func(a netip.Addr) bool { return a.As16()[15] == 6 || a.As16()[15] == 7 })
		if (len(a.Refused) == 1) != (test.want == "no") || a.Known != len(l.Phones) {
			t.Errorf("%s: %+v", test.what, a)
		}
		if got := words(l); test.want != "no" && got != test.want {
			t.Errorf("%s: %s, not %s", test.what, got, test.want)
		}
	}
	for what, r := range map[string]Request{
		"too many phones":   {Phones: slices.Repeat([]Seen{seen(func(*Seen) {})}, MostAsked+1)},
		"too many networks": {Forget: slices.Repeat([]netip.Prefix{netip.MustParsePrefix("1.1.1.1/32")}, MostForgotten+1)},
		"forget everybody":  {Forget: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		"forget nothing":    {Forget: []netip.Prefix{{}}},
	} {
		if r.check() == nil {
			t.Errorf("%s: allowed", what)
		}
	}
	most := Request{Phones: slices.Repeat([]Seen{seen(func(*Seen) {})}, MostAsked), Forget: slices.Repeat([]netip.Prefix{netip.MustParsePrefix("1.1.1.1/32")}, MostForgotten)}
	if err := most.check(); err != nil {
		t.Error(err)
	}
	if l, a := (List{Written: now}).change(Request{Phones: []Seen{addr("127.0.0.1"), addr("1.1.1.1")}}, now, func(netip.Addr) bool { return false }); len(l.Phones) != 1 || len(a.Refused) != 1 {
		t.Errorf("one is refused: %s, %+v", words(l), a)
	}
	l, a := List{Written: now}.with([]Phone{phone("1.1.1.1", "a", time.Hour), phone("2.2.2.2", "a", time.Hour)}).
		change(Request{Forget: []netip.Prefix{netip.MustParsePrefix("1.1.1.0/24")}}, now, func(netip.Addr) bool { return false })
	if words(l) != "2.2.2.2/a 1h0m0s" || a.Forgot != 1 {
		t.Errorf("%s: %+v", words(l), a)
	}
}
