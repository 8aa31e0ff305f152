package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/testfault"
	"github.com/voipbl/voipbl/internal/testskip"
)

// TestBesideRenamingSync stops one command at one of its calls, runs another one to its end, and
// then lets the first go on. One is a sync that renames the sets, the other changes what is
// blocked. In any order, the rules end up with sets that have that change.
func TestBesideRenamingSync(t *testing.T) {
	testskip.UnlessRoot(t)
	t.Parallel()
	sync := faultVerb{name: "sync", args: []string{"sync", "--wait", "20s"}, config: "renamed"}
	at := func(kind testfault.Kind, file string) testfault.Fault {
		return testfault.Fault{Kind: kind, N: 1, File: file}
	}
	ofSync := []testfault.Fault{at(testfault.Open, "lost.json"), at(testfault.Send, "rename"), at(testfault.Open, "rules.lock"), at(testfault.Open, "applied.json")}
	bans := []testfault.Fault{at(testfault.Open, "set-names.json"), at(testfault.Send, "add"), at(testfault.Open, "bans.lock")}
	for _, verb := range []struct {
		faultVerb
		stops   []testfault.Fault // where it is stopped for a sync
		sync    []testfault.Fault // where a sync is stopped for it: with no lock that it needs
		address string
		blocked bool // afterwards
	}{
		{faultVerb{name: "ban", args: []string{"ban", "8.8.8.8"}}, bans, ofSync, "8.8.8.8", true},
		{faultVerb{name: "unban", args: []string{"unban", "9.9.9.9"}, prepare: []string{"ban 9.9.9.9"}}, []testfault.Fault{bans[0], bans[2]}, ofSync, "9.9.9.9", false},
		{faultVerb{name: "allow", args: []string{"allow", "5.5.5.5"}}, []testfault.Fault{at(testfault.Open, "allowed.lock"), at(testfault.Open, "sets.lock")}, nil, "5.5.5.5", false},
		{faultVerb{name: "disallow", args: []string{"disallow", "5.5.5.5"}, prepare: []string{"allow 5.5.5.5"}}, []testfault.Fault{at(testfault.Open, "allowed.lock"), at(testfault.Open, "sets.lock")}, nil, "5.5.5.5", true},
		{faultVerb{name: "apply", args: []string{"firewall", "apply"}}, []testfault.Fault{at(testfault.Open, "sets.lock")}, nil, "5.5.5.5", true},
	} {
		for _, config := range []string{"old", "renamed"} {
			verb.config = config
			meet := func(stopped, other faultVerb, stop testfault.Fault) {
				t.Run(verb.name+" by the "+config+" names/"+stopped.name+" "+stop.String(), func(t *testing.T) {
					t.Parallel()
					h := newFaultHost(t, faultVerb{name: verb.name, config: "old", prepare: verb.prepare})
					var text string
					code := -1
					r := h.runWith(stopped, stop, func() { text, code = h.voipbl(other.config, other.args...) })
					if r.failed == "" || code != exit.OK || r.code != exit.OK {
						t.Fatalf("at %q: exit %d: %s\nand %d: %s", r.failed, r.code, r.text, code, text)
					}
					if now := h.kernel(); now.drop(verb.address) != verb.blocked {
						t.Errorf("%s is blocked: %v: %s\n%s\n%v", verb.address, !verb.blocked, r.text, text, now)
					}
				})
			}
			for _, stop := range verb.stops {
				meet(verb.faultVerb, sync, stop)
			}
			for _, stop := range verb.sync {
				meet(sync, verb.faultVerb, stop)
			}
		}
	}
}

var dropSets = regexp.MustCompile(`--match-set (\S+) src .*-j DROP`)

// drop reports whether a rule drops an address of IPv4 that stands in a set as it is.
func (k kernelText) drop(address string) bool {
	for _, match := range dropSets.FindAllStringSubmatch(k["rules4 filter"]+k["rules4 raw"], -1) {
		if strings.Contains(k["set "+match[1]], "add "+match[1]+" "+address) {
			return true
		}
	}
	return false
}
