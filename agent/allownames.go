package agent

import (
	"time"

	"github.com/voipbl/voipbl/allowlist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/dns"
	"github.com/voipbl/voipbl/state"
)

// allowedReason is why a host of "voipbl allow" is exempt.
func allowedReason(e allowlist.Entry) string {
	text := "voipbl allow"
	if until := e.Until(); !until.IsZero() {
		text += " until " + until.Local().Format(time.DateTime)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// seeds are what names stood for when they were allowed.
type seeds map[string]answer

// into adds what nothing newer is known of.
func (s seeds) into(kept map[string]answer) {
	for name, seed := range s {
		if len(kept[name].Addresses) == 0 {
			kept[name] = seed
		}
	}
}

// addAllowed adds the names of "voipbl allow".
func (n *names) addAllowed(cfg config.Config) seeds {
	return n.setAllowed(readAllowed(cfg, state.Clock()))
}

func (n *names) setAllowed(b allowedBook) seeds {
	n.byHand = make(map[string]string)
	found := make(seeds)
	for _, e := range b.list.Entries {
		if e.Host.Name == "" {
			continue
		}
		n.byHand[e.Host.Name] = allowedReason(e)
		seed := answer{At: e.At}
		for _, addr := range e.Addresses {
			seed.Addresses = append(seed.Addresses, dns.Address{Addr: addr, FirstSeen: e.At, LastSeen: e.At})
		}
		if len(seed.Addresses) > 0 {
			found[e.Host.Name] = seed
		}
	}
	return found
}

// takeAllowed has what is allowed at this moment count: more may be, or less, than when
// the names were resolved.
func (r *resolved) takeAllowed(cfg config.Config) allowedBook {
	b := readAllowed(cfg, state.Clock())
	before := r.byHand
	if r.answers == nil {
		r.answers = make(map[string]answer)
	}
	all := r.setAllowed(b)
	for name := range r.byHand {
		if _, known := r.answers[name]; known {
			continue
		}
		if _, asked := before[name]; !asked {
			kept := map[string]answer{}
			if seed, found := all[name]; found {
				kept[name] = seed
			}
			r.take(name, kept[name], lookups{offline: true, told: true})
		}
	}
	return b
}

// next is in what time the first of the entries ends; 0 if none does.
func (b allowedBook) next() (next time.Duration) {
	for _, e := range b.list.Entries {
		if left := e.Ends.Up - b.list.Written.Up; e.For != 0 && (next == 0 || left < next) {
			next = left
		}
	}
	return next
}
