package enroll

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/hub"
	"github.com/voipbl/voipbl/internal/problem"
)

// endsSoon is when before its end a certificate is a problem.
const endsSoon = 30 * 24 * time.Hour

// HubStatus is how the hub and all hosts of its fleet are, as the operator sees it.
type HubStatus struct {
	Hubs     []string           `json:"hubs"`
	Answers  bool               `json:"answers"` // the server admits the operator
	Keeper   bool               `json:"keeper"`  // what keeps the streams is connected
	Ends     time.Time          `json:"ends,omitzero"`
	Sequence uint64             `json:"sequence"`           // of the last message in the stream of bans
	Look     int                `json:"look"`               // hosts that need a look
	Hosts    []HostStatus       `json:"hosts"`              // the worst first
	Problems []*problem.Problem `json:"problems"`           // of the hub itself
	OneSite  string             `json:"one_site,omitempty"` // all hosts are of it, and no document trusts it: by default their words count nowhere
}

// HostStatus is one host of the fleet.
type HostStatus struct {
	Name      fleet.Name `json:"name"`
	Mirror    bool       `json:"mirror,omitempty"` // it fetches lists for all hosts
	State     beat.State `json:"state"`
	Why       []string   `json:"why"`                 // in words
	Added     time.Time  `json:"added"`               // when its newest key was made
	Revoked   time.Time  `json:"revoked,omitzero"`    // when its last key was; zero: it has one that is not
	Connected time.Time  `json:"connected,omitzero"`  // since when; zero: it is not
	Address   string     `json:"address,omitempty"`   // from where
	Relayed   bool       `json:"relayed,omitempty"`   // it is not, and heard all the same, and its site has a relay
	Seen      time.Time  `json:"seen,omitzero"`       // when the hub got its last heartbeat; zero: never
	Behind    uint64     `json:"behind"`              // how many messages it had not read then, if it should have
	Heartbeat *beat.Beat `json:"heartbeat,omitempty"` // the last one, if it can be read
}

// Unprotected reports whether a host says that it is not protected.
func (s *HubStatus) Unprotected() bool {
	return slices.ContainsFunc(s.Hosts, func(h HostStatus) bool { return h.State == beat.Unprotected })
}

// serverRemedy is what to do about a server that does not answer.
func (h *hubRun) serverRemedy() string {
	if h.here() {
		return "see \"systemctl status " + serverUnit + "\"; \"voipbl fleet init\" starts it"
	}
	return "start it where the hub is: nats-server -c " + serverConf
}

// heardLately reports whether the last heartbeat of a host is not so old that the host counts as silent.
func heardLately(h HostStatus, now time.Time) bool {
	return !h.Seen.IsZero() && now.Sub(h.Seen) < beat.SilentAfter
}

// IsHub reports whether this machine, or the one below root, has the keys of a fleet.
func IsHub(root string) bool {
	now, err := read((&hubRun{HubOptions: HubOptions{Root: root}}).path(operator), maxFile)
	return now != nil || err != nil
}

// ReadHub asks the hub's server which hosts are connected, and how they are. now is by the clock of this
// machine, which is that of its server. An error is why the keys cannot be read; what is
// wrong with the server is among the problems.
func ReadHub(ctx context.Context, opts HubOptions, now time.Time) (*HubStatus, error) {
	opts.DryRun = true // it changes nothing, and needs no lock
	h := &hubRun{HubOptions: opts, verb: "voipbl fleet status"}
	unlock, err := h.openThere(ctx)
	if err != nil {
		return nil, err
	}
	unlock()
	s := &HubStatus{Hubs: h.op.URLs(), Problems: []*problem.Problem{}}
	connected, err := h.connections(ctx)
	s.Answers = err == nil
	if err != nil {
		s.Problems = append(s.Problems, &problem.Problem{Reason: "hub", Error: "the server of the hub does not answer: " + err.Error(), Remedy: h.serverRemedy()})
	}
	s.Hosts = hosts(h, connected)
	if s.Answers {
		h.survey(ctx, s, now)
	}
	h.sayRelays(s, now)
	h.sayTwins(s)
	for _, host := range s.Hosts {
		if !host.Revoked.IsZero() && !host.Connected.IsZero() {
			s.Problems = append(s.Problems, &problem.Problem{Reason: "revoked", Error: fmt.Sprintf("%s is revoked, and still connected", host.Name), Remedy: "voipbl fleet revoke " + host.Name.String()})
		}
	}
	for key, c := range connected {
		switch {
		case h.op.NameOf(key) != "":
		case slices.Contains(h.op.Strangers, key):
			s.Problems = append(s.Problems, &problem.Problem{Reason: "revoked", Error: fmt.Sprintf("%s is connected from %s with the key %s, which is revoked", c.Name, c.Address, key), Remedy: "voipbl fleet revoke " + key})
		default:
			s.Problems = append(s.Problems, &problem.Problem{Reason: "stranger", Error: fmt.Sprintf("%s is connected from %s with the key %s, which %s does not know: put a newer copy there, or revoke the key", c.Name, c.Address, key, h.path(operator)), Remedy: "voipbl fleet revoke " + key})
		}
	}
	return s, h.sayEnds(s, now)
}

// sayEnds says when the certificate ends.
func (h *hubRun) sayEnds(s *HubStatus, now time.Time) (err error) {
	remedy := "run \"voipbl fleet init\", which makes another one"
	if s.Ends, err = h.op.Ends(); err != nil {
		return err
	}
	if h.op.TLS.Own() {
		remedy = "put another one into " + h.op.TLS.CertificateFile + ", and run \"voipbl fleet init\", which has the server take it"
		if s.Ends, err = h.givenEnds(); err != nil {
			s.Problems = append(s.Problems, &problem.Problem{Reason: "certificate", Error: "the server's certificate cannot be read: " + err.Error(), Remedy: remedy})
			return nil
		}
	}
	if !s.Ends.IsZero() && s.Ends.Before(now.Add(endsSoon)) {
		s.Problems = append(s.Problems, &problem.Problem{Reason: "certificate", Error: "the server's certificate ends at " + s.Ends.Format(time.DateTime), Remedy: remedy})
	}
	return nil
}

// sayTwins says which hosts are connected more than once.
func (h *hubRun) sayTwins(s *HubStatus) {
	for _, name := range slices.Sorted(maps.Keys(h.twice)) {
		host, _ := h.op.Active(fleet.Name(name))
		s.Problems = append(s.Problems, &problem.Problem{
			Reason: "twin", Error: fmt.Sprintf("%s is connected more than once, from %s: its join file is used on several hosts, or somebody has copied its key", name, h.twice[name]),
			Remedy: addAgain(name, host.Mirror) + ", and a file of its own for each host",
		})
	}
}

// connections are those of hosts that the server has now, by key.
func (h *hubRun) connections(ctx context.Context) (map[string]hub.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, serverWait)
	defer cancel()
	a, err := h.asker(ctx)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	all, err := a.Connections(ctx)
	by := make(map[string]hub.Connection, len(all))
	h.twice = make(map[string]string)
	for _, c := range all {
		if was, twice := by[c.Key]; twice {
			h.twice[c.Name] = cmp.Or(h.twice[c.Name], was.Address) + ", " + c.Address
		}
		by[c.Key] = c
	}
	return by, err
}

// hosts are those of the operator's file, in the order in which they were added first.
func hosts(h *hubRun, connected map[string]hub.Connection) []HostStatus {
	at := map[fleet.Name]int{}
	all := []HostStatus{}
	for _, key := range h.op.Hosts {
		i, known := at[key.Name]
		if !known {
			i = len(all)
			at[key.Name] = i
			all = append(all, HostStatus{Name: key.Name, State: beat.Unknown, Why: []string{}})
		}
		s := &all[i]
		s.Added, s.Revoked, s.Mirror = key.Added, key.Revoked, key.Mirror // the newest key comes last
		if c, ok := connected[key.Key]; ok {
			s.Connected, s.Address = c.Since, c.Address
		}
	}
	return all
}
