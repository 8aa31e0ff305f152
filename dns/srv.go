package dns

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
)

// service is a service that SRV records are looked up for.
type service struct{ service, proto string }

// services are the services of SIP (RFC 3263 section 4.2), which Asterisk looks up for
// a provider, too. NAPTR records would only say which of them is preferred, so they are
// not needed: all of them count.
var services = []service{{"sip", "udp"}, {"sip", "tcp"}, {"sips", "tcp"}}

// targets collects the servers in SRV records.
type targets struct {
	mu    sync.Mutex
	found map[string]uint16 // best priority by server
	err   error
}

// ask looks up the servers of one service.
func (t *targets) ask(ctx context.Context, s service, name string) {
	_, records, err := net.DefaultResolver.LookupSRV(ctx, s.service, s.proto, absolute(name))
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && !noSuchAddress(err) && t.err == nil {
		t.err = err
	}
	for _, r := range records {
		// "." means that the service is not offered (RFC 2782).
		if target := strings.ToLower(strings.TrimSuffix(r.Target, ".")); target != "" {
			t.add(target, r.Priority)
		}
	}
}

func (t *targets) add(target string, priority uint16) {
	if t.found == nil {
		t.found = make(map[string]uint16)
	}
	if best, known := t.found[target]; !known || priority < best {
		t.found[target] = priority
	}
}

// names returns the servers, at most maxTargets, the best priorities first (RFC 2782),
// without the name itself, which is asked for anyway. err is why there may be more.
func (t *targets) names(name string) ([]string, error) {
	delete(t.found, strings.TrimSuffix(name, "."))
	servers := slices.SortedFunc(maps.Keys(t.found), func(a, b string) int {
		return cmp.Or(cmp.Compare(t.found[a], t.found[b]), cmp.Compare(a, b))
	})
	if n := len(servers); n > maxTargets {
		return servers[:maxTargets], fmt.Errorf("its SRV records name %d servers: all but the first %d by priority are left out", n, maxTargets)
	}
	return servers, t.err
}
