package exempt

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/web"
)

// A list that blocks its own source can no longer be fetched. The URL alone does not
// name all hosts of a source: there may be redirects, a proxy, and more servers behind a
// name than one DNS answer has. So the hosts that the last successful fetch has
// contacted are exempt, and those that a failed fetch since then has tried to contact:
// they may be blocked already.

// source is a host that a list comes from, or to which attackers are reported.
type source struct {
	web.Peer
	reason string
}

// talkedSources returns the contacted hosts of each feed and of reports.
func talkedSources(cfg config.Config, store *fetch.Store) []source {
	if store == nil {
		return nil
	}
	var all []source
	for _, f := range cfg.Feeds {
		if f.URL == "" {
			continue
		}
		if state, err := store.State(f.Name); err == nil { // otherwise the feed reports it
			all = append(all, sourcesOf(SourceReason(f), slices.Concat(state.Talked, state.Tried))...)
		}
	}
	if cfg.Report.Enabled {
		// A small part of the outbox. If it cannot be read, outbox reports that.
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

// Talked adds the hosts that a fetch has just contacted, for when the feed's state
// could not be written.
func (r *Resolved) Talked(f config.Feed, to []web.Peer) {
	r.sources = append(r.sources, sourcesOf(SourceReason(f), to)...)
}

// talkedTo reports whether a host was contacted, directly or through a proxy.
func (r *Resolved) talkedTo(host string) bool {
	return slices.ContainsFunc(r.sources, func(s source) bool { return s.Host == host })
}

// maxRedirected is how many addresses of each family are exempt because a redirect leads to
// their name. Content delivery networks have fewer, and an attacker who has broken into the
// list's server can choose the name and its answers.
const maxRedirected = 8

// redirected reports whether a name is exempt only because servers have redirected to
// it.
func (n names) redirected(name string) bool {
	return !slices.ContainsFunc(n.reasons(name), func(reason string) bool { return !strings.HasSuffix(reason, ", "+string(web.Redirect)) })
}

// name returns the host if it must be resolved, otherwise "".
func (s source) name() string {
	if isAddr(s.Host) {
		return ""
	}
	return s.Host
}

// words returns why the source is exempt.
func (s source) words() string {
	if name := s.name(); name != "" {
		return s.reason + " (" + name + ")"
	}
	return s.reason
}

// addrs returns the addresses of the source that are known without resolving its name.
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

// OutboxFile, in the state folder, has the reports to be sent to VoIPBL, so that they
// survive a boot.
const OutboxFile = "reports"
