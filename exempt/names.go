package exempt

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
	"github.com/voipbl/voipbl/known"
)

// Answer is the history of a name.
type Answer = dns.Known

// Lookups says how names are resolved.
type Lookups struct {
	Offline bool // ask no name server, only read the history
	Keep    bool // write the new history
	Told    bool // problems with answers have been reported already
}

// Resolved has the addresses of the names in a configuration, and what went wrong.
type Resolved struct {
	names
	sources  []source // hosts that were contacted
	Answers  map[string]Answer
	Problems []string
	Never    []string // names without any address
	noHost   []string // names of allow and trunks whose answer no host can have
}

// Resolve resolves all names of a configuration at the same time. A name that does not
// resolve keeps its addresses.
func Resolve(ctx context.Context, store *fetch.Store, cfg config.Config, how Lookups) Resolved {
	r := Resolved{names: hostNames(cfg), sources: talkedSources(cfg, store), Answers: make(map[string]Answer)}
	r.addSources(r.sources)
	seeds := r.addAllowed(cfg)
	r.addTrunks(cfg)
	all := r.all()
	if len(all) == 0 {
		return r
	}
	kept, err := keptNames(cfg, store)
	if err != nil {
		r.Problems = append(r.Problems, err.Error())
	}
	seeds.into(kept)
	if how.Offline {
		for _, name := range all {
			r.take(name, kept[name], how)
		}
		return r
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	found := dns.Ask(ctx, r.questions())
	for _, name := range all {
		k, moved := kept[name].Merge(found[name], cfg.Names.Keep, now)
		if moved && r.Allows(name) {
			r.Problems = append(r.Problems, movedWords(name, k))
		}
		r.take(name, k, how)
		kept[name] = k
	}
	if how.Keep {
		if err := keepNames(cfg, store, remembered(kept, all, cfg.Names.Keep, now)); err != nil {
			r.Problems = append(r.Problems, err.Error())
		}
	}
	return r
}

// questions returns the DNS questions for the names. SIP servers are looked up only for
// the names that an admin has allowed, and those of trunks.
func (n names) questions() []dns.Question {
	var questions []dns.Question
	for _, name := range n.all() {
		questions = append(questions, dns.Question{Name: name, SIP: n.Friend(name)})
	}
	return questions
}

// Allows reports whether a name is in allow or trunks, or was allowed by hand.
func (n names) Allows(name string) bool {
	_, byHand := n.ByHand[name]
	return byHand || len(n.Allowed[name]) > 0
}

// Friend reports whether a name is in allow or trunks, was allowed by hand, or is one at which the PBX is
// registered.
func (n names) Friend(name string) bool { return n.Allows(name) || slices.Contains(n.Trunks, name) }

// take records the addresses of a name, and what is wrong with them.
func (r *Resolved) take(name string, k Answer, how Lookups) {
	r.Answers[name] = k
	failed := k.Failed
	if !r.Allows(name) {
		if r.Friend(name) && len(r.Servers[name]) == 0 {
			if len(k.Addresses) == 0 {
				r.Never = append(r.Never, name)
			}
			return // if it is trouble, it is the PBX's
		}
		if r.talkedTo(name) {
			return // the contacted address is known, or the proxy's
		}
		if failed != nil && failed.NoHost {
			failed = nil // a source on this host needs no exemption
		}
	} else if failed != nil && failed.NoHost {
		r.noHost = append(r.noHost, name)
	}
	if len(k.Addresses) == 0 {
		r.Never = append(r.Never, name)
		switch {
		case how.Told: // or it is about to be asked for
		case failed != nil:
			r.Problems = append(r.Problems, fmt.Sprintf("name %s: %s", name, failed.Why))
		case k.Failed == nil:
			r.Problems = append(r.Problems, fmt.Sprintf("name %s: it was never resolved, and no name server is asked now", name))
		}
		return
	}
	if failed != nil && (!how.Offline || failed.NoHost && !how.Told) {
		r.Problems = append(r.Problems, failedWords(name, k))
	}
}

// failedWords returns the warning about a name that does not resolve, or only in part.
func failedWords(name string, k Answer) string {
	return fmt.Sprintf("name %s: %s: its addresses of %s stay exempt", name, k.Failed.Why, k.At.Local().Format(time.DateTime))
}

// movedWords returns the warning about an answer without any address that was known
// before.
func movedWords(name string, k Answer) string {
	return fmt.Sprintf("name %s: it now stands for %s, which it never did before; what it stood for stays exempt for a time: %s", name, AddrList(k.Moved.To), AddrList(k.Left()))
}

// shownAddrs is how many addresses a message names.
const shownAddrs = 4

// AddrList returns the first few addresses and the number of the others, for people.
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
	// maxForgotten is how many names that are no longer configured are remembered.
	maxForgotten = 1000

	// maxRemembered is how many addresses are written in addition to the last answers.
	// The size limit of a file is reached at about 40,000.
	maxRemembered = 20_000
)

// remembered returns the names to write: all that were asked for, and for a time those
// no longer in the configuration, which may be missing there by mistake.
func remembered(kept map[string]Answer, asked []string, keep time.Duration, now time.Time) map[string]Answer {
	all := make(map[string]Answer)
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

// NamesNow returns the names of a configuration and of "voipbl allow".
func NamesNow(cfg config.Config) names {
	n := hostNames(cfg)
	n.addAllowed(cfg)
	n.addTrunks(cfg)
	return n
}

// addTrunks adds the names at which the PBX is registered.
func (n *names) addTrunks(cfg config.Config) {
	n.Trunks = nil
	for _, t := range known.ReadTrunks(cfg).All {
		if name := t.Name(); name != "" {
			n.Trunks = append(n.Trunks, name)
		}
	}
}

// Friends reports whether there are names of hosts that an admin has allowed, or of trunks.
func (n names) Friends() bool { return len(n.Allowed)+len(n.ByHand)+len(n.Trunks) > 0 }

// Learned returns the addresses of the names at which the PBX is registered.
func (r Resolved) Learned() map[string][]netip.Addr {
	all := make(map[string][]netip.Addr)
	for _, name := range r.Trunks {
		all[name] = r.Answers[name].Addrs()
	}
	return all
}
