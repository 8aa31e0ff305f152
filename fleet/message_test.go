package fleet

import (
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/fleet/link"
)

var equalAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// addrIn returns an address of a slot: the nth.
func addrIn(slot, nth int) netip.Addr {
	for i := uint32(0); ; i++ {
		a := netip.AddrFrom4([4]byte{45, 7, byte(i >> 8), byte(i)})
		if SlotOf(a) != slot {
			continue
		}
		if nth--; nth < 0 {
			return a
		}
	}
}

// apart returns addresses of which no two share a network.
func apart(nth int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x2a, byte(nth >> 16), byte(nth >> 8), byte(nth)})
}

func TestEncode(t *testing.T) {
	a, b, c := netip.MustParseAddr("45.1.2.3"), netip.MustParseAddr("2a00:1:2:3::"), netip.MustParseAddr("45.1.2.9")
	for _, row := range []struct {
		name string
		said []Said
		want string
	}{
		{"none", nil, `[]`},
		{"the newest first, one age by address", []Said{
			{Addr: b, Age: time.Minute, Left: time.Hour}, {Addr: c, Age: time.Second, Left: time.Hour}, {Addr: a, Age: time.Minute, Left: time.Hour},
		}, `[{"p":"45.1.2.9","age":1,"left":3600},{"p":"45.1.2.3","age":60,"left":3600},{"p":"2a00:1:2:3::","age":60,"left":3600}]`},
		{"all members", []Said{{Addr: a, Age: time.Hour, Left: -5, Why: "fail2ban asterisk", Proved: true}},
			`[{"p":"45.1.2.3","age":3600,"left":-1,"why":"fail2ban asterisk","proved":true}]`},
		{"what has not ended has a second left, what has ended none", []Said{{Addr: a, Left: 1}, {Addr: c, Left: time.Second + 1, Age: 1}, {Addr: b, Age: 2}},
			`[{"p":"45.1.2.3","age":0,"left":1},{"p":"45.1.2.9","age":0,"left":2},{"p":"2a00:1:2:3::","age":0,"left":0}]`},
		{"an age is cut", []Said{{Addr: a, Age: 2*time.Second - 1, Left: time.Second}, {Addr: c, Age: -time.Hour, Left: time.Second}},
			`[{"p":"45.1.2.9","age":0,"left":1},{"p":"45.1.2.3","age":1,"left":1}]`},
		{"times without measure", []Said{{Addr: a, Age: math.MaxInt64, Left: math.MaxInt64}}, `[{"p":"45.1.2.3","age":3153600000,"left":3153600000}]`},
		{"what a terminal might not like", []Said{{Addr: a, Left: time.Second, Why: "a\nb\x7f\"\\~ \x1f\x80é"}}, `[{"p":"45.1.2.3","age":0,"left":1,"why":"a?b?\"\\~ ????"}]`},
		{"a long reason", []Said{{Addr: a, Left: time.Second, Why: strings.Repeat("x", link.MaxWhy) + "y"}},
			`[{"p":"45.1.2.3","age":0,"left":1,"why":"` + strings.Repeat("x", link.MaxWhy) + `"}]`},
	} {
		before := slices.Clone(row.said)
		text, leftOut := Encode("boot-1", row.said, 0)
		if want := `{"instance":"boot-1","bans":` + row.want + `}`; string(text) != want || leftOut != 0 {
			t.Errorf("%s: %d left out\n got %s\nwant %s", row.name, leftOut, text, want)
		}
		if !json.Valid(text) || !slices.Equal(before, row.said) {
			t.Errorf("%s: no JSON, or the argument was changed", row.name)
		}
	}
	text, _ := Encode(strings.Repeat("é", 100), nil, 0)
	if m, err := Decode(0, text); err != nil || m.Instance != strings.Repeat("?", MaxInstance) {
		t.Errorf("an instance that is none: %q, %v", m.Instance, err)
	}
}

// TestEncodeFits: what has no room in a message is left out, the oldest first, and no room is wasted.
func TestEncodeFits(t *testing.T) {
	for _, why := range []string{"", strings.Repeat("w", link.MaxWhy), strings.Repeat("<", link.MaxWhy)} {
		var said []Said
		for i := range 2000 {
			said = append(said, Said{Addr: apart(i), Age: time.Duration(2000-i) * time.Second, Left: -1, Why: why})
		}
		text, leftOut := Encode("boot", said, 0)
		if len(text) > MaxMessage || len(text) < MaxMessage-500 || leftOut == 0 || !json.Valid(text) {
			t.Errorf("%q: %d bytes, %d left out", why, len(text), leftOut)
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil || len(m.Bans)+leftOut != len(said) || m.Bans[0].Age != 1 || m.Bans[len(m.Bans)-1].Age != int64(len(m.Bans)) {
			t.Errorf("%q: %d bans and %d left out of %d, %v", why, len(m.Bans), leftOut, len(said), err)
		}
	}
	// To the byte: the longer the instance, the fewer bans of one length have room behind it.
	one := Said{Addr: addrIn(3, 0), Left: -1}
	said := slices.Repeat([]Said{one}, 1000)
	size, full := len(`,{"p":"45.7.0.0","age":0,"left":-1}`)+len(one.Addr.String())-len("45.7.0.0"), 0
	for n := range MaxInstance + 1 {
		text, leftOut := Encode(strings.Repeat("i", n), said, 0)
		const reserved = len(`"whole":3153600000,`) - len(`"whole":1,`)
		if len(text) > MaxMessage-reserved || len(text) <= MaxMessage-reserved-size || leftOut == 0 {
			t.Errorf("instance of %d: %d bytes, %d left out", n, len(text), leftOut)
		}
		if len(text) == MaxMessage-reserved {
			full++
		}
	}
	if full == 0 {
		t.Error("no message is full to the byte")
	}
}

func TestDivide(t *testing.T) {
	in := []Said{
		{Addr: netip.MustParseAddr("10.1.2.3"), Left: time.Hour},
		{Addr: netip.MustParseAddr("::ffff:45.1.2.3"), Left: time.Hour, Why: "a"},
		{Addr: netip.MustParseAddr("45.1.2.3"), Left: 2 * time.Hour, Why: "b"},
		{Addr: netip.MustParseAddr("45.1.2.3"), Left: time.Minute, Why: "c"},
		{Addr: netip.MustParseAddr("2a00:1:2:3::5"), Left: -1, Why: "d"},
		{Addr: netip.MustParseAddr("2a00:1:2:3::6"), Left: time.Hour, Why: "e"},
		{Addr: netip.MustParseAddr("2a00:1:2:4::6"), Left: time.Hour, Why: "f"},
		{Addr: netip.MustParseAddr("2a00:1:2:4::7"), Left: -1, Why: "g"},
		{},
		{Addr: netip.MustParseAddr("45.1.2.4"), Why: "over"},
		{Addr: netip.MustParseAddr("45.1.2.4"), Left: 1, Why: "h"},
		{Addr: netip.MustParseAddr("45.1.2.4"), Left: 1, Why: "the same end"},
		{Addr: netip.MustParseAddr("45.1.2.4"), Why: "over"},
	}
	var got []Said
	for slot, said := range Divide(in) {
		for _, s := range said {
			if SlotOf(s.Addr) != slot {
				t.Errorf("%s is in slot %d", s.Addr, slot)
			}
		}
		got = append(got, said...)
	}
	slices.SortFunc(got, func(a, b Said) int { return a.Addr.Compare(b.Addr) })
	want := []Said{
		{Addr: netip.MustParseAddr("45.1.2.3"), Left: 2 * time.Hour, Why: "b"},
		{Addr: netip.MustParseAddr("45.1.2.4"), Left: 1, Why: "h"},
		{Addr: netip.MustParseAddr("2a00:1:2:3::"), Left: -1, Why: "d"},
		{Addr: netip.MustParseAddr("2a00:1:2:4::"), Left: -1, Why: "g"},
	}
	if diff := cmp.Diff(want, got, equalAddr); diff != "" {
		t.Error(diff)
	}
}

// TestDecode: what is odd is left out and counted, ban by ban.
func TestDecode(t *testing.T) {
	a := netip.MustParseAddr("45.1.2.3")
	slot := SlotOf(a)
	other := addrIn((slot+1)%Slots, 0)
	six := netip.MustParseAddr("2a00:1:2:3::")
	for six.IsValid() && SlotOf(six) != slot {
		b := six.As16()
		b[7]++
		six = netip.AddrFrom16(b)
	}
	good := Said{Addr: a, Age: 12 * time.Second, Left: time.Hour, Why: "fail2ban asterisk", Proved: true}
	long := strings.Repeat("x", link.MaxWhy)
	for _, row := range []struct {
		name, bans string
		want       []Said
		odd        int
	}{
		{"none", ``, nil, 0},
		{"one", `{"p":"45.1.2.3","age":12,"left":3600,"why":"fail2ban asterisk","proved":true}`, []Said{good}, 0},
		{"members of a later version", `{"p":"45.1.2.3","age":12,"left":3600,"why":"fail2ban asterisk","proved":true,"new":{"a":[1]}}`, []Said{good}, 0},
		{"only an address, whose ban is over", `{"p":"45.1.2.3"}`, []Said{{Addr: a}}, 0},
		{"no end", `{"p":"45.1.2.3","left":-1}`, []Said{{Addr: a, Left: -1}}, 0},
		{"older than it lasts", `{"p":"45.1.2.3","age":7200,"left":1}`, []Said{{Addr: a, Age: 2 * time.Hour, Left: time.Second}}, 0},
		{"year 9999", `{"p":"45.1.2.3","age":253402300799,"left":253402300799}`, []Said{{Addr: a, Age: mostTime, Left: mostTime}}, 0},
		{"the largest numbers", `{"p":"45.1.2.3","age":9223372036854775807,"left":9223372036854775807}`, []Said{{Addr: a, Age: mostTime, Left: mostTime}}, 0},
		{"numbers that are too large", `{"p":"45.1.2.3","age":9223372036854775808},{"p":"45.1.2.3","left":1e30},{"p":"45.1.2.3","left":1}`, []Said{{Addr: a, Left: time.Second}}, 2},
		{"negative times", `{"p":"45.1.2.3","age":-1,"left":5},{"p":"45.1.2.3","left":-2},{"p":"45.1.2.3","left":-9223372036854775808}`, nil, 3},
		{"other types", `{"p":1},{"p":"45.1.2.3","age":"1"},{"p":"45.1.2.3","left":1.5},{"p":["45.1.2.3"]},{"p":"45.1.2.3","proved":1},{"p":"45.1.2.3","why":{}},"45.1.2.3",7,[],{"p":"45.1.2.3","left":1}`, []Said{{Addr: a, Left: time.Second}}, 9},
		{"null", `null,{"p":null},{"p":"45.1.2.3","age":null,"left":null}`, []Said{{Addr: a}}, 2},
		{"no addresses", `{},{"p":""},{"p":"x"},{"p":"45.1.2"},{"p":"045.1.2.3"},{"p":"45.1.2.3:5060"},{"p":" 45.1.2.3"},{"p":"example.net"}`, nil, 8},
		{"networks", `{"p":"45.1.2.3/32"},{"p":"45.1.2.0/24"},{"p":"0.0.0.0/0"},{"p":"2a00:1:2:3::/64"},{"p":"45.1.2.1-45.1.2.9"}`, nil, 5},
		{"IPv4 as IPv6", `{"p":"::ffff:45.1.2.3"}`, nil, 1},
		{"an IPv6 address in a /64", fmt.Sprintf(`{"p":"%s"},{"p":"%s1"},{"p":"%s%%eth0"}`, six, six, six), []Said{{Addr: six}}, 2},
		{"special-purpose space", everySpecial(slot), nil, 16},
		{"another slot's", fmt.Sprintf(`{"p":"%s"}`, other), nil, 1},
		{"twice", `{"p":"45.1.2.3","left":1},{"p":"45.1.2.3","left":2}`, []Said{{Addr: a, Left: time.Second}}, 1},
		{"reasons", `{"p":"45.1.2.3","why":"` + long + `"}`, []Said{{Addr: a, Why: long}}, 0},
		{"odd reasons", `{"p":"45.1.2.3","why":"` + long + `x"},{"p":"45.1.2.3","why":"a\nb"},{"p":"45.1.2.3","why":"\u001b[2J"},{"p":"45.1.2.3","why":"\u202e"},{"p":"45.1.2.3","why":"é"}`, nil, 5},
	} {
		m, err := Decode(slot, []byte(`{"instance":"boot","bans":[`+row.bans+`]}`))
		instance, got, odd := m.Instance, m.Said, m.Odd
		if err != nil || instance != "boot" || odd != row.odd {
			t.Errorf("%s: instance %q, %d odd, not %d, %v", row.name, instance, odd, row.odd, err)
		}
		if diff := cmp.Diff(row.want, got, equalAddr, cmp.Comparer(func(a, b []Said) bool { return slices.EqualFunc(a, b, sameSaid) })); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
}

func sameSaid(a, b Said) bool {
	return a.Addr == b.Addr && a.Age == b.Age && (a.Left == b.Left || a.Left < 0 && b.Left < 0) && a.Why == b.Why && a.Proved == b.Proved
}

// everySpecial returns 16 addresses that no host tells to others, all in one slot.
func everySpecial(slot int) string {
	var bans []string
	for i := 0; len(bans) < 16; i++ {
		for _, p := range []string{"10.0.0.%d", "192.168.0.%d", "127.0.0.%d", "192.0.2.%d", "fd00:0:0:%x::", "2001:db8:0:%x::", "2002:0:0:%x::"} {
			if a, err := netip.ParseAddr(fmt.Sprintf(p, i)); err == nil && SlotOf(a) == slot && len(bans) < 16 {
				bans = append(bans, fmt.Sprintf(`{"p":"%s","left":-1}`, a))
			}
		}
	}
	return strings.Join(bans, ",")
}

// TestNoMessage: what is no message says nothing, which is not the same as that there are no bans.
func TestNoMessage(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":             "",
		"null":                "null",
		"no object":           `[]`,
		"a text":              `"bans"`,
		"without bans":        `{"instance":"boot"}`,
		"bans that are none":  `{"instance":"boot","bans":null}`,
		"bans as an object":   `{"instance":"boot","bans":{}}`,
		"bans as a number":    `{"instance":"boot","bans":5}`,
		"an instance as list": `{"instance":["boot"],"bans":[]}`,
		"truncated":           `{"instance":"boot","bans":[{"p":"45.1.2.3"`,
		"more behind it":      `{"instance":"boot","bans":[]}{}`,
		"odd and no bans":     `{"instance":5}`,
		"a long instance":     `{"instance":"` + strings.Repeat("x", MaxInstance+1) + `","bans":[]}`,
		"an odd instance":     `{"instance":"\u001b","bans":[]}`,
		"gzip":                "\x1f\x8b\x08",
		"too large":           `{"instance":"boot","bans":[]}` + strings.Repeat(" ", MaxMessage),
		"deep":                strings.Repeat("[", MaxMessage),
	} {
		if m, err := Decode(0, []byte(text)); err == nil || m.Instance != "" || m.Said != nil || m.Odd != 0 {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	text := `{"instance":"` + strings.Repeat("x", MaxInstance) + `","bans":[]}`
	text += strings.Repeat(" ", MaxMessage-len(text))
	if _, err := Decode(0, []byte(text)); err != nil {
		t.Errorf("the largest message: %v", err)
	}
}

// FuzzDecode: whatever a message says, only single addresses of the Internet come out of it, none of
// their bans counts longer than it may, and what comes out can be said again as it is.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, `{"bans":[]}`, `{"instance":"boot","bans":[{"p":"45.1.2.3","age":12,"left":3600,"why":"fail2ban asterisk","proved":true}]}`,
		`{"bans":[{"p":"::ffff:45.1.2.3"},{"p":"45.1.2.3/8"},{"p":"0.0.0.0"},{"p":"10.0.0.1"}]}`, `{"bans":[{"p":"2a00:1:2:3::"},{"p":"2a00:1:2:3::1"}]}`,
		`{"bans":[{"p":"45.1.2.3","age":9223372036854775807,"left":-1}]}`, `{"bans":[{"p":"45.1.2.3","age":-1}]}`, `{"bans":[{"p":"45.1.2.3","left":1e3}]}`,
		`{"bans":[{"p":"45.1.2.3","why":"<>&\u2028\""}],"bans":[{"left":5}]}`, `{"BANS":[{"P":"45.1.2.3"}]}`, `{"bans":[null,5,"x",[],{"p":7}]}`,
	} {
		f.Add(uint8(SlotOf(netip.MustParseAddr("45.1.2.3"))), []byte(s))
		f.Add(uint8(SlotOf(netip.MustParseAddr("2a00:1:2:3::"))), []byte(s))
	}
	f.Fuzz(func(t *testing.T, digit uint8, text []byte) {
		slot := int(digit % Slots)
		m, err := Decode(slot, text)
		instance, said, odd := m.Instance, m.Said, m.Odd
		if err != nil {
			if instance != "" || said != nil || odd != 0 {
				t.Fatalf("%v, but also %q %v %d", err, instance, said, odd)
			}
			return
		}
		for _, s := range said {
			internet := s.Addr.IsGlobalUnicast() && !s.Addr.IsPrivate()
			one := s.Addr.Is4() || netip.PrefixFrom(s.Addr, 64).Masked().Addr() == s.Addr
			if !internet || !one || s.Addr.Is4In6() || SlotOf(s.Addr) != slot || s.Age < 0 || s.Age > mostTime || s.Left > mostTime || len(s.Why) > link.MaxWhy {
				t.Fatalf("%+v", s)
			}
		}
		const now = 500_000 * time.Hour
		h := NewHeard()
		h.Take("acme_pbx1", slot, said, now)
		p := Policy{Trust: []string{"acme"}, Longest: time.Hour, PerHost: math.MaxInt, Most: math.MaxInt}
		for _, v := range h.Believed(p, now-time.Minute) {
			i := slices.IndexFunc(said, func(s Said) bool { return s.Addr == v.Addr })
			if i < 0 || v.Made > now || v.Until > v.Made+p.Longest || said[i].Left >= 0 && v.Until > now+said[i].Left {
				t.Fatalf("%+v", v)
			}
		}
		// Again: what has room in a message comes out as it went in, and the next time it is the same text.
		again, leftOut := Encode(instance, said, m.Whole)
		m2, err := Decode(slot, again)
		instance2, said2, odd := m2.Instance, m2.Said, m2.Odd
		if err != nil || odd != 0 || instance2 != instance || len(said2)+leftOut != len(said) {
			t.Fatalf("%q: %q, %d and %d of %d, %d odd, %v", again, instance2, len(said2), leftOut, len(said), odd, err)
		}
		for _, s := range said2 {
			if !slices.ContainsFunc(said, func(o Said) bool { return sameSaid(s, o) }) {
				t.Fatalf("%+v is not among %+v", s, said)
			}
		}
		if third, _ := Encode(instance, said2, m2.Whole); string(third) != string(again) {
			t.Fatalf("%q becomes %q", again, third)
		}
	})
}
