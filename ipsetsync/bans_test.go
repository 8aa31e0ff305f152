package ipsetsync

import (
	"errors"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/internal/testns"
)

// TestBanSet: fail2ban's own commands succeed on sets made by EnsureBanSet: create
// -exist, and a ban that expires.
func TestBanSet(t *testing.T) {
	testns.Enter(t)
	k := openKernel(t)
	for _, c := range []struct {
		name, create, ban, want string
		family                  cidr.Family
	}{
		{"bans", "", "192.0.2.1", "create bans hash:ip family inet hashsize 1024 maxelem 65536 timeout 0", cidr.IPv4},
		{"bans6", " family inet6", "2001:db8::1", "create bans6 hash:ip family inet6 hashsize 1024 maxelem 65536 timeout 0", cidr.IPv6},
	} {
		if made, err := k.EnsureBanSet(c.name, c.family); !made || err != nil {
			t.Fatalf("made %v: %v", made, err)
		}
		ipset(t, "", strings.Fields("-exist create "+c.name+" hash:ip timeout 0"+c.create)...)
		ipset(t, "", "-exist", "add", c.name, c.ban, "timeout", "600")
		if made, err := k.EnsureBanSet(c.name, c.family); made || err != nil {
			t.Errorf("again: made %v: %v", made, err)
		}
		saved := ipset(t, "", "save", c.name)
		if !strings.HasPrefix(saved, c.want) || !strings.Contains(saved, "add "+c.name+" "+c.ban+" timeout ") {
			t.Errorf("got %s", saved)
		}
		if removed, stays, err := k.RemoveBanSet(c.name); removed || !stays || err != nil {
			t.Errorf("a set with a ban: removed %v, stays %v: %v", removed, stays, err)
		}
		ipset(t, "", "del", c.name, c.ban)
		if removed, stays, err := k.RemoveBanSet(c.name); !removed || stays || err != nil {
			t.Errorf("removed %v, stays %v: %v", removed, stays, err)
		}
		if removed, stays, err := k.RemoveBanSet(c.name); removed || stays || err != nil {
			t.Errorf("again: removed %v, stays %v: %v", removed, stays, err)
		}
	}
}

// TestBanSetOfOthers: a set that another program has made is left unchanged, if a rule
// can refer to it.
func TestBanSetOfOthers(t *testing.T) {
	testns.Enter(t)
	k := openKernel(t)
	for create, ok := range map[string]bool{
		"a hash:net counters":        true,
		"b hash:ip":                  true,
		"c list:set":                 true,
		"d bitmap:ip range 10/24":    true,
		"e hash:ip family inet6":     false,
		"f hash:net,iface timeout 5": true,
	} {
		ipset(t, "", strings.Fields("create "+create)...)
		before := ipset(t, "", "save")
		made, err := k.EnsureBanSet(create[:1], cidr.IPv4)
		if made || (err == nil) != ok {
			t.Errorf("%s: made %v: %v", create, made, err)
		}
		if err != nil && (!errors.Is(err, errMismatch) || !strings.Contains(err.Error(), "hash:ip of IPv6")) {
			t.Errorf("%s: %v", create, err)
		}
		if after := ipset(t, "", "save"); after != before {
			t.Errorf("%s: now\n%s", create, after)
		}
	}
}
