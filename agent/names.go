package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/voipbl/voipbl/fetch"
)

const (
	// namesFile keeps the last good answers in the state folder.
	namesFile = "names"

	// lookupTimeout bounds all look-ups of a sync together.
	lookupTimeout = 10 * time.Second
	lookupsAtOnce = 16

	// maxAnswer is the most addresses that one name may protect. Round-robin
	// names of providers have up to a dozen; more is a mistake, or somebody
	// who wants out of the list.
	maxAnswer = 64
)

// answer is what a name resolved to.
type answer struct {
	Addrs []netip.Addr `json:"addrs"`
	At    time.Time    `json:"at"`
}

// lookups says how names are resolved.
type lookups struct {
	offline bool // only read the last good answers
	keep    bool // write the answers down
}

// resolved is the answer for each name, and what went wrong. A name that does
// not resolve keeps its last good answer.
type resolved struct {
	answers  map[string]answer
	problems []string
	never    []string // names without any answer
}

// resolve looks the names up, all at once. Of the two families each keeps its
// last good answer for itself, for one can fail alone.
func resolve(ctx context.Context, store *fetch.Store, names []string, how lookups) resolved {
	r := resolved{answers: make(map[string]answer)}
	if len(names) == 0 {
		return r
	}
	kept := make(map[string]answer)
	if store != nil {
		if err := store.ReadJSON(namesFile, &kept); err != nil && !isAbsent(err) {
			r.problems = append(r.problems, fmt.Sprintf("last good DNS answers: %v", err))
		}
	}
	found := make(map[string]lookedUp)
	if !how.offline {
		found = lookup(ctx, names)
	}
	for _, name := range names {
		old, known := kept[name]
		now := found[name]
		a := now.answer
		if now.err != nil || how.offline {
			a.At = old.At
			for _, addr := range old.Addrs {
				if how.offline || now.failed[familyIndex(addr)] {
					a.Addrs = append(a.Addrs, addr)
				}
			}
		}
		switch {
		case len(a.Addrs) == 0:
			r.never = append(r.never, name)
			why := "it was never resolved, and cannot be offline"
			if now.err != nil {
				why = now.err.Error()
			}
			r.problems = append(r.problems, fmt.Sprintf("name %s: %s", name, why))
			continue
		case now.err != nil && known:
			r.problems = append(r.problems, fmt.Sprintf("name %s: %v: its answer of %s stays protected", name, now.err, old.At.Format(time.DateTime)))
		case now.err != nil:
			r.problems = append(r.problems, fmt.Sprintf("name %s: %v", name, now.err))
		}
		r.answers[name] = a
	}
	if how.keep && !how.offline {
		if err := store.WriteJSON(namesFile, r.answers); err != nil {
			r.problems = append(r.problems, fmt.Sprintf("keep DNS answers: %v", err))
		}
	}
	return r
}

// lookedUp is what asking for one name gave. failed tells for which family
// there is no answer, as against the answer that there are no addresses.
type lookedUp struct {
	answer
	failed [2]bool // IPv4, IPv6
	err    error
}

func familyIndex(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

func lookup(ctx context.Context, names []string) map[string]lookedUp {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var (
		mu    sync.Mutex
		group errgroup.Group
		found = make(map[string]lookedUp)
	)
	group.SetLimit(lookupsAtOnce)
	for _, name := range names {
		group.Go(func() error {
			l := lookupName(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			found[name] = l
			return nil
		})
	}
	group.Wait()
	return found
}

// lookupName asks for each family by itself: asked for both, the resolver
// answers with one and hides that the other failed.
func lookupName(ctx context.Context, name string) lookedUp {
	l := lookedUp{answer: answer{At: time.Now().UTC().Truncate(time.Second)}}
	var errs []error
	for i, network := range []string{"ip4", "ip6"} {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, name)
		if noSuchAddress(err) {
			err = nil
		}
		if err == nil && len(addrs) > maxAnswer {
			err = fmt.Errorf("%d addresses, more than %d", len(addrs), maxAnswer)
		}
		if err != nil {
			l.failed[i] = true
			errs = append(errs, err)
			continue
		}
		for _, a := range addrs {
			l.Addrs = append(l.Addrs, a.Unmap().WithZone(""))
		}
	}
	l.err = errors.Join(errs...)
	if l.err != nil && len(errs) == 2 {
		l.err = errs[0] // for the same reason
	}
	if len(l.Addrs) == 0 && l.err == nil {
		l.failed, l.err = [2]bool{true, true}, errors.New("no such host")
	}
	slices.SortFunc(l.Addrs, netip.Addr.Compare)
	l.Addrs = slices.Compact(l.Addrs)
	return l
}

// noSuchAddress reports whether the answer is that there is none of a family.
func noSuchAddress(err error) bool {
	var dns *net.DNSError
	var addr *net.AddrError
	return errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &addr)
}
