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

// resolved is the answer for each name, and what went wrong. A name that does
// not resolve keeps its last good answer.
type resolved struct {
	answers  map[string]answer
	problems []string
}

// resolve looks the names up, all at once, and keeps the answers in store. With
// offline it only reads what is kept there.
func resolve(ctx context.Context, store *fetch.Store, names []string, offline bool) resolved {
	r := resolved{answers: make(map[string]answer)}
	if len(names) == 0 {
		return r
	}
	kept := make(map[string]answer)
	if err := store.ReadJSON(namesFile, &kept); err != nil && !isAbsent(err) {
		r.problems = append(r.problems, fmt.Sprintf("last good DNS answers: %v", err))
	}
	fresh, failures := make(map[string]answer), make(map[string]error)
	if !offline {
		fresh, failures = lookup(ctx, names)
	}
	for _, name := range names {
		old, known := kept[name]
		switch a, ok := fresh[name]; {
		case ok:
			r.answers[name] = a
		case known:
			r.answers[name] = old
			if !offline {
				r.problems = append(r.problems, fmt.Sprintf("%v: its answer of %s stays protected", failures[name], old.At.Format(time.DateTime)))
			}
		case offline:
			r.problems = append(r.problems, fmt.Sprintf("%s was never resolved and cannot be offline: it is not protected", name))
		default:
			r.problems = append(r.problems, fmt.Sprintf("%v: it is not protected", failures[name]))
		}
	}
	if len(fresh) > 0 {
		if err := store.WriteJSON(namesFile, r.answers); err != nil {
			r.problems = append(r.problems, fmt.Sprintf("keep DNS answers: %v", err))
		}
	}
	return r
}

func lookup(ctx context.Context, names []string) (map[string]answer, map[string]error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var (
		mu       sync.Mutex
		group    errgroup.Group
		answers  = make(map[string]answer)
		failures = make(map[string]error)
	)
	group.SetLimit(lookupsAtOnce)
	for _, name := range names {
		group.Go(func() error {
			addrs, err := lookupName(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures[name] = err
			} else {
				answers[name] = answer{addrs, time.Now().UTC().Truncate(time.Second)}
			}
			return nil
		})
	}
	group.Wait()
	return answers, failures
}

func lookupName(ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err == nil && len(addrs) > maxAnswer {
		err = fmt.Errorf("lookup %s: %d addresses, more than %d", name, len(addrs), maxAnswer)
	}
	if err == nil && len(addrs) == 0 {
		err = errors.New("lookup " + name + ": no addresses")
	}
	if err != nil {
		return nil, err
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap().WithZone("")
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs), nil
}
