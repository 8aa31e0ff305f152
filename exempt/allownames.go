package exempt

import (
	"time"

	"github.com/voipbl/voipbl/allowlist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/dns"
	"github.com/voipbl/voipbl/state"
)

// allowedReason returns why a host of "voipbl allow" is exempt, for people.
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

// seeds are the addresses that names had when they were allowed.
type seeds map[string]Answer

// into adds the seeds of names for which no newer addresses are known.
func (s seeds) into(kept map[string]Answer) {
	for name, seed := range s {
		if len(kept[name].Addresses) == 0 {
			kept[name] = seed
		}
	}
}

// addAllowed adds the names of "voipbl allow".
func (n *names) addAllowed(cfg config.Config) seeds {
	return n.setAllowed(ReadAllowed(cfg, state.Clock()))
}

func (n *names) setAllowed(b AllowedBook) seeds {
	n.ByHand = make(map[string]string)
	found := make(seeds)
	for _, e := range b.List.Entries {
		if e.Host.Name == "" {
			continue
		}
		n.ByHand[e.Host.Name] = allowedReason(e)
		seed := Answer{At: e.At}
		for _, addr := range e.Addresses {
			seed.Addresses = append(seed.Addresses, dns.Address{Addr: addr, FirstSeen: e.At, LastSeen: e.At})
		}
		if len(seed.Addresses) > 0 {
			found[e.Host.Name] = seed
		}
	}
	return found
}

// takeAllowed updates r to the current list of allowed hosts, which may have changed
// since the names were resolved.
func (r *Resolved) takeAllowed(cfg config.Config) AllowedBook {
	b := ReadAllowed(cfg, state.Clock())
	before := r.ByHand
	if r.Answers == nil {
		r.Answers = make(map[string]Answer)
	}
	all := r.setAllowed(b)
	for name := range r.ByHand {
		if _, known := r.Answers[name]; known {
			continue
		}
		if _, asked := before[name]; !asked {
			kept := map[string]Answer{}
			if seed, found := all[name]; found {
				kept[name] = seed
			}
			r.take(name, kept[name], Lookups{Offline: true, Told: true})
		}
	}
	return b
}

// next returns the time until the first entry ends; 0 if none ends.
func (b AllowedBook) next() (next time.Duration) {
	for _, e := range b.List.Entries {
		if left := e.Ends.Up - b.List.Written.Up; e.For != 0 && (next == 0 || left < next) {
			next = left
		}
	}
	return next
}
