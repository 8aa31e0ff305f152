package agent

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/dns"
	"github.com/voipbl/voipbl/fetch"
)

// answer is what is known of a name.
type answer = dns.Known

// lookups says how names are resolved.
type lookups struct {
	offline bool // only read what is known
	keep    bool // write down what the answers add to it
	told    bool // what is wrong with answers is told already, when they come
}

// resolved is what the names of a configuration stand for, and what went wrong.
type resolved struct {
	names
	sources  []source // that were talked to
	answers  map[string]answer
	problems []string
	never    []string // names without any address
	noHost   []string // names of allow and trunks that answer with what is no host's address
}

// resolve asks for the names of a configuration, all at once. A name that does not
// resolve keeps the addresses that it has.
func resolve(ctx context.Context, store *fetch.Store, cfg config.Config, how lookups) resolved {
	r := resolved{names: hostNames(cfg), sources: talkedSources(cfg, store), answers: make(map[string]answer)}
	r.addSources(r.sources)
	seeds := r.addAllowed(cfg)
	all := r.all()
	if len(all) == 0 {
		return r
	}
	kept, err := keptNames(cfg, store)
	if err != nil {
		r.problems = append(r.problems, err.Error())
	}
	seeds.into(kept)
	if how.offline {
		for _, name := range all {
			r.take(name, kept[name], how)
		}
		return r
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	found := dns.Ask(ctx, r.questions())
	for _, name := range all {
		k, moved := kept[name].Merge(found[name], cfg.Names.Keep, now)
		if moved && r.allows(name) {
			r.problems = append(r.problems, movedWords(name, k))
		}
		r.take(name, k, how)
		kept[name] = k
	}
	if how.keep {
		if err := keepNames(cfg, store, remembered(kept, all, cfg.Names.Keep, now)); err != nil {
			r.problems = append(r.problems, err.Error())
		}
	}
	return r
}

// questions are what the names are asked for: those of sources are no servers of SIP.
func (n names) questions() []dns.Question {
	var questions []dns.Question
	for _, name := range n.all() {
		questions = append(questions, dns.Question{Name: name, SIP: n.allows(name)})
	}
	return questions
}

// allows reports whether a name is in allow or trunks, or was allowed by hand.
func (n names) allows(name string) bool {
	_, byHand := n.byHand[name]
	return byHand || len(n.allowed[name]) > 0
}

// take notes what a name stands for, and what is wrong with that.
func (r *resolved) take(name string, k answer, how lookups) {
	r.answers[name] = k
	failed := k.Failed
	if !r.allows(name) {
		if r.talkedTo(name) {
			return // its address is known, or its proxy's
		}
		if failed != nil && failed.NoHost {
			failed = nil // a source on this host needs no exemption
		}
	} else if failed != nil && failed.NoHost {
		r.noHost = append(r.noHost, name)
	}
	if len(k.Addresses) == 0 {
		r.never = append(r.never, name)
		switch {
		case how.told: // or it is asked for in a moment
		case failed != nil:
			r.problems = append(r.problems, fmt.Sprintf("name %s: %s", name, failed.Why))
		case k.Failed == nil:
			r.problems = append(r.problems, fmt.Sprintf("name %s: it was never resolved, and no name server is asked now", name))
		}
		return
	}
	if failed != nil && (!how.offline || failed.NoHost && !how.told) {
		r.problems = append(r.problems, failedWords(name, k))
	}
}

// failedWords tell of a name that does not resolve, or not as a whole.
func failedWords(name string, k answer) string {
	return fmt.Sprintf("name %s: %s: its addresses of %s stay exempt", name, k.Failed.Why, k.At.Local().Format(time.DateTime))
}

// movedWords tell of an answer that had nothing in common with what was known.
func movedWords(name string, k answer) string {
	return fmt.Sprintf("name %s: it now stands for %s, which it never did before; what it stood for stays exempt for a time: %s", name, AddrList(k.Moved.To), AddrList(k.Left()))
}

// shownAddrs bounds how many addresses a message names.
const shownAddrs = 4

// AddrList names the first of some addresses, and how many more there are.
func AddrList(addrs []netip.Addr) string {
	var words []string
	for _, a := range addrs[:min(len(addrs), shownAddrs)] {
		words = append(words, a.String())
	}
	text := strings.Join(words, ", ")
	if more := len(addrs) - shownAddrs; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

const (
	// maxForgotten bounds how many names that are not asked for any more are remembered.
	maxForgotten = 1000

	// maxRemembered is how many addresses are written down beyond the last answers: a
	// file has a bound, at some 40,000.
	maxRemembered = 20_000
)

// remembered is what is written down: all names that were asked for, and for a time
// those that are not in the configuration any more, which may be a mistake in it.
func remembered(kept map[string]answer, asked []string, keep time.Duration, now time.Time) map[string]answer {
	all := make(map[string]answer)
	for _, name := range asked {
		all[name] = kept[name]
	}
	for _, name := range slices.Sorted(maps.Keys(kept)) {
		if _, there := all[name]; !there && now.Sub(kept[name].At) < keep && len(all) < len(asked)+maxForgotten {
			all[name] = kept[name]
		}
	}
	left := 0
	for _, k := range all {
		left += len(k.Left())
	}
	if left > maxRemembered {
		for name, k := range all {
			all[name] = k.Last()
		}
	}
	return all
}

// namesNow are the names of a configuration and of "voipbl allow".
func namesNow(cfg config.Config) names {
	n := hostNames(cfg)
	n.addAllowed(cfg)
	return n
}
