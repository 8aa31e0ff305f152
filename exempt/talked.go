package exempt

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/web"
)

// A list that blocks its own source stops being updated. The URL does not tell the whole
// source: there may be redirects, a proxy, and more servers behind a name than DNS tells
// at a time. So what was really talked to at the last success is exempt, and what was to
// be talked to at a failure since: it may be blocked already.

// source is a host that a list comes from, or that is told about attackers.
type source struct {
	web.Peer
	reason string
}

// talkedSources are those of each feed, and of reports.
func talkedSources(cfg config.Config, store *fetch.Store) []source {
	if store == nil {
		return nil
	}
	var all []source
	for _, f := range cfg.Feeds {
		if f.URL == "" {
			continue
		}
		if state, err := store.State(f.Name); err == nil { // else the feed tells
			all = append(all, sourcesOf(SourceReason(f), slices.Concat(state.Talked, state.Tried))...)
		}
	}
	if cfg.Report.Enabled {
		// A small part of the outbox. If it cannot be read, reports tell.
		var box struct {
			Talked []web.Peer `json:"talked"`
			Tried  []web.Peer `json:"tried"`
		}
		if err := store.ReadJSON(OutboxFile, &box); err == nil {
			all = append(all, sourcesOf(ReportReason, slices.Concat(box.Talked, box.Tried))...)
		}
	}
	return all
}

func sourcesOf(reason string, peers []web.Peer) []source {
	var all []source
	for _, p := range peers {
		s := source{p, reason}
		if p.Role != web.Server {
			s.reason += ", " + string(p.Role)
		}
		all = append(all, s)
	}
	return all
}

// Talked adds what a feed has just talked to, if its history could not be written.
func (r *Resolved) Talked(f config.Feed, to []web.Peer) {
	r.sources = append(r.sources, sourcesOf(SourceReason(f), to)...)
}

// talkedTo reports whether a host was talked to, or through a proxy.
func (r *Resolved) talkedTo(host string) bool {
	return slices.ContainsFunc(r.sources, func(s source) bool { return s.Host == host })
}

// maxRedirected is how many addresses of each family are exempt because a redirect leads to
// their name: content delivery networks have fewer, and whoever runs the list, or got into
// its server, chooses the name and its answers.
const maxRedirected = 8

// redirected reports whether a name counts only because servers have redirected to it.
func (n names) redirected(name string) bool {
	return !slices.ContainsFunc(n.reasons(name), func(reason string) bool { return !strings.HasSuffix(reason, ", "+string(web.Redirect)) })
}

// name is the host if it has to be resolved.
func (s source) name() string {
	if isAddr(s.Host) {
		return ""
	}
	return s.Host
}

// words are why it is exempt.
func (s source) words() string {
	if name := s.name(); name != "" {
		return s.reason + " (" + name + ")"
	}
	return s.reason
}

// addrs are its addresses, as far as they need no name.
func (s source) addrs() []netip.Addr {
	var all []netip.Addr
	if s.Addr.IsValid() {
		all = append(all, s.Addr)
	}
	if a, err := netip.ParseAddr(s.Host); err == nil {
		all = append(all, a)
	}
	return all
}

// OutboxFile keeps, in the state folder, what VoIPBL is to be told: it outlives a boot.
const OutboxFile = "reports"
