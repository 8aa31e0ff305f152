package dns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// timeout limits all questions of one call of Ask together.
	timeout = 10 * time.Second

	namesAtOnce     = 32
	questionsAtOnce = 8 // for one name

	// maxTargets is how many servers are taken from the SRV records of one name.
	maxTargets = 32
)

// Question is a name to ask for.
type Question struct {
	Name string
	SIP  bool // also ask for the servers in its SRV records
}

// Ask resolves all names at the same time. The answers are by name.
func Ask(ctx context.Context, questions []Question) map[string]Answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var (
		mu    sync.Mutex
		group errgroup.Group
		found = make(map[string]Answer)
	)
	group.SetLimit(namesAtOnce)
	// Shuffle, so that names without an answer do not use up the time of the same other
	// names each time.
	questions = slices.Clone(questions)
	rand.Shuffle(len(questions), func(i, j int) { questions[i], questions[j] = questions[j], questions[i] })
	for _, q := range questions {
		group.Go(func() error {
			a := ask(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			found[q.Name] = a
			return nil
		})
	}
	group.Wait()
	return found
}

// ask asks for the addresses of a name and of its servers. Each question may fail alone;
// the answers to the others still count.
func ask(ctx context.Context, q Question) Answer {
	var targets targets
	var group errgroup.Group
	group.SetLimit(questionsAtOnce)
	var own hostAnswer
	group.Go(func() error {
		own = askHost(ctx, q.Name)
		return nil
	})
	if q.SIP {
		// A service without an answer leaves time for the servers of the others.
		half, cancel := context.WithTimeout(ctx, timeout/2)
		defer cancel()
		for _, s := range services {
			group.Go(func() error {
				targets.ask(half, s, q.Name)
				return nil
			})
		}
	}
	group.Wait()
	servers, err := targets.names(q.Name)
	answers := make([]hostAnswer, len(servers))
	for i, server := range servers {
		group.Go(func() error {
			answers[i] = askHost(ctx, absolute(server))
			return nil
		})
	}
	group.Wait()
	return combine(append([]hostAnswer{own}, answers...), len(servers) > 0, err)
}

// with returns the addresses of two answers, sorted and without duplicates.
func with(a, b []netip.Addr) []netip.Addr {
	all := slices.Concat(a, b)
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

func tooMany(addrs []netip.Addr) bool {
	var count [2]int
	for _, a := range addrs {
		count[familyOf(a)]++
	}
	return max(count[0], count[1]) > MaxAddresses
}

// hostAnswer is the answer for the addresses of one host.
type hostAnswer struct {
	host   string
	addrs  []netip.Addr
	failed [2]error // by family
	noHost bool     // one family failed because none of its addresses can be a host's
}

// combine joins the answers for a name and its servers. unasked is why some servers are
// not known.
func combine(hosts []hostAnswer, servers bool, unasked error) Answer {
	a := Answer{Servers: servers, Unasked: unasked != nil}
	var errs []error
	for i, h := range hosts {
		if more := with(a.Addrs, h.addrs); tooMany(more) {
			a.Partial = [2]bool{true, true}
			errs = append(errs, fmt.Errorf("its servers have more than %d addresses: some of them are left out", MaxAddresses))
		} else {
			a.Addrs = more
		}
		a.NoHost = a.NoHost || h.noHost
		for f, err := range h.failed {
			if err == nil {
				continue
			}
			a.Partial[f] = true
			if i > 0 {
				err = fmt.Errorf("its server %s: %w", strings.TrimSuffix(h.host, "."), err)
			}
			errs = append(errs, err)
		}
	}
	if unasked != nil {
		errs = append(errs, unasked)
	}
	if len(errs) > 0 {
		a.Err = errs[0] // the other errors usually have the same cause
	} else if len(a.Addrs) == 0 {
		a.Partial, a.Err = [2]bool{true, true}, errors.New("no such host")
	}
	return a
}

// askHost asks for each family separately: if asked for both, the resolver answers with
// one and hides that the other failed.
func askHost(ctx context.Context, host string) hostAnswer {
	answer := hostAnswer{host: host}
	for f, network := range []string{"ip4", "ip6"} {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
		if noSuchAddress(err) {
			continue
		}
		if err == nil && len(addrs) > MaxAddresses {
			err = fmt.Errorf("%d addresses, more than %d", len(addrs), MaxAddresses)
		}
		if err != nil {
			answer.failed[f] = err
			continue
		}
		answer.add(f, addrs)
	}
	return answer
}

// add adds the addresses of one family that can be a host's. If none can, that family has
// failed.
func (h *hostAnswer) add(family int, addrs []netip.Addr) {
	var why error
	good := false
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		if reason := whyNoHost(a); reason != "" {
			why = &noHostError{a, reason}
			continue
		}
		good = true
		h.addrs = append(h.addrs, a)
	}
	if !good && why != nil {
		h.failed[family], h.noHost = why, true
	}
}

// noHostError is returned for an address in an answer that cannot be a host's.
type noHostError struct {
	Addr   netip.Addr
	Reason string
}

func (e *noHostError) Error() string {
	return fmt.Sprintf("the answer is %s (%s), which is no host's address", e.Addr, e.Reason)
}

// noSuchAddress reports whether the answer is that the name has no address of a family.
func noSuchAddress(err error) bool {
	var dns *net.DNSError
	var addr *net.AddrError
	return errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &addr)
}

// absolute keeps the resolver from trying the domains of its search list.
func absolute(name string) string {
	if strings.Contains(name, ".") && !strings.HasSuffix(name, ".") {
		return name + "."
	}
	return name
}
