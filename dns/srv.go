package dns

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
)

// service is what SRV records are asked for.
type service struct{ service, proto string }

// services are those of SIP (RFC 3263 section 4.2), which Asterisk asks for too when it
// looks for the addresses of a provider. NAPTR records, which would say which of these
// are preferred, are not asked for: all of them count.
var services = []service{{"sip", "udp"}, {"sip", "tcp"}, {"sips", "tcp"}}

// targets collects the servers that SRV records name.
type targets struct {
	mu    sync.Mutex
	found []string
	err   error
}

// ask asks for the servers of one service.
func (t *targets) ask(ctx context.Context, s service, name string) {
	_, records, err := net.DefaultResolver.LookupSRV(ctx, s.service, s.proto, absolute(name))
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && !noSuchAddress(err) && t.err == nil {
		t.err = err
	}
	for _, r := range records {
		// "." is a service that is decidedly not there.
		if target := strings.ToLower(strings.TrimSuffix(r.Target, ".")); target != "" && !slices.Contains(t.found, target) {
			t.found = append(t.found, target)
		}
	}
}

// names are the servers but for the name itself, which is asked for anyway. err is why
// there may be more.
func (t *targets) names(name string) ([]string, error) {
	servers := slices.DeleteFunc(t.found, func(s string) bool { return s == strings.TrimSuffix(name, ".") })
	if len(servers) > maxTargets {
		return nil, fmt.Errorf("its SRV records name %d servers, more than %d", len(servers), maxTargets)
	}
	slices.Sort(servers)
	return servers, t.err
}
