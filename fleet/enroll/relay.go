package enroll

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
)

// RelayOptions are what the operator asks of "voipbl fleet relay".
type RelayOptions struct {
	HubOptions
	Site      string
	Addresses []string // HOST or HOST:PORT, by which the site's hosts reach the relay; none: as before
	Port      int      // of the hub, for all relays; 0: as before
	To        string   // the folder for the relay's files
	Remove    bool     // take the relay away
}

// Relayed is what "voipbl fleet relay --json" prints.
type Relayed struct {
	Site      string           `json:"site"`
	Addresses []string         `json:"addresses"` // by which the site's hosts reach the relay
	Hosts     []fleet.Name     `json:"hosts"`     // whom the relay lets pass
	Files     []string         `json:"files"`     // for the relay
	Changed   []string         `json:"changed"`   // files that were changed, or would be: the relay's, and those of this hub
	Removed   bool             `json:"removed"`   // the site has no relay any more, or never had one
	Notes     []string         `json:"notes"`
	Error     *problem.Problem `json:"error,omitempty"`
}

// Where a relay has its files. That with the keys is read by the server, so its group is the server's there.
const (
	relayConf    = "nats-server.conf"
	relaySecrets = "voipbl-relay.pem"

	relayConfMode    = 0o644
	relaySecretsMode = 0o640
)

const maxPort = 1<<16 - 1

// Relay writes the files of a server between this hub and the hosts of a site, for the hosts that the site has
// now; or takes that server out of the fleet.
func Relay(ctx context.Context, opts RelayOptions) (*Relayed, error) {
	h := &hubRun{HubOptions: opts.HubOptions, verb: "voipbl fleet relay " + opts.Site + " -o " + opts.To}
	if opts.Remove {
		h.verb = "voipbl fleet relay " + opts.Site + " --remove"
	}
	r := &Relayed{Site: opts.Site, Addresses: []string{}, Hosts: []fleet.Name{}, Files: []string{}}
	err := notApplied(h.relay(ctx, opts, r))
	r.Changed, r.Notes, r.Error = list(h.changed), list(h.notes), problemOf(err)
	return r, err
}

func (h *hubRun) relay(ctx context.Context, opts RelayOptions, r *Relayed) error {
	if opts.Port < 0 || opts.Port > maxPort {
		return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: fmt.Sprintf("%d is no port", opts.Port), Remedy: fmt.Sprintf("name one with --hub-port, from 1 to %d", maxPort)}).Err()}
	}
	if err := onlyRoot(useKeys); err != nil {
		return err
	}
	if !fleet.IsSite(opts.Site) {
		return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: fmt.Sprintf("%q is no name of a site", opts.Site), Remedy: "name the site of the hosts: acme is that of acme_pbx1"}).Err()}
	}
	folder, err := filepath.Abs(opts.To)
	if err != nil {
		return err
	}
	unlock, err := h.openThere(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if h.gid, err = natsGroup(ctx, h.Root); err != nil {
		return err
	}
	if opts.Remove {
		return h.removeRelay(ctx, r)
	}
	tell, former := toReload, h.op.RelayPort
	if opts.Port != 0 {
		h.op.RelayPort = opts.Port
	}
	files, err := h.relayFiles(folder, opts, r)
	if err != nil {
		remedy := fmt.Sprintf("voipbl fleet relay %s relay.example.net -o FOLDER, with the name by which the hosts of a site that has some reach its relay", opts.Site)
		if h.op.TLS.Own() {
			remedy = "voipbl fleet init --fleet-cert, which goes back to the fleet's own certificate"
		}
		return (&problem.Problem{Error: err.Error(), Remedy: remedy}).Err()
	}
	if h.onePort() {
		return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: fmt.Sprintf("at the port %d hosts reach this hub, so relays cannot", h.op.RelayPort), Remedy: "name another one with --hub-port"}).Err()}
	}
	if h.op.RelayPort != former {
		if err := h.portFree(ctx, h.op.RelayPort); err != nil {
			return err
		}
		tell = toRestart // the server opens no other port before
	}
	changes, err := differing("/", files)
	if err != nil {
		return err
	}
	r.Files = names(files)
	h.noteMoved() // the others, if the port is another one
	if err := h.write(tell); err != nil {
		return err
	}
	h.changed = append(h.changed, names(changes)...)
	if h.DryRun {
		return nil
	}
	if err := writeAll("/", changes); err != nil {
		return h.halfway(err)
	}
	said := len(h.notes)
	if err := h.settle(ctx); err != nil {
		return h.halfway(err)
	}
	if tell == toRestart && len(h.notes) == said {
		if err := h.await(ctx); err != nil {
			return h.halfway(err)
		}
	}
	return h.done()
}

// onePort reports whether hosts and relays are to reach the hub at the same port, with which the server does not start.
func (h *hubRun) onePort() bool {
	return len(h.op.Relays) > 0 && h.op.RelayPort == portOf(h.op.Hubs)
}

// relayFiles are those of the relay, in a folder.
func (h *hubRun) relayFiles(folder string, opts RelayOptions, r *Relayed) ([]file, error) {
	relay, err := h.op.SetRelay(opts.Site, opts.Addresses, time.Now())
	if err != nil {
		return nil, err
	}
	config, secrets, err := h.op.RelayServer(relay, keys.RelayPlace{Secrets: "/etc/" + relaySecrets})
	if err != nil {
		return nil, err
	}
	r.Addresses, r.Hosts = relay.Addresses, h.op.Relayed(opts.Site)
	const folderMode = 0o700
	return []file{
		{Name: filepath.Join(folder, relaySecrets), Text: []byte(secrets), Mode: relaySecretsMode, Folder: folderMode},
		{Name: filepath.Join(folder, relayConf), Text: []byte(config), Mode: relayConfMode},
	}, nil
}

// noteRelay says what is to be done about the relay of a site, of which a host has come or gone.
func (h *hubRun) noteRelay(site string) {
	if p := h.relayProblem(site); p != nil {
		h.note("%s: %s", p.Error, p.Remedy)
	}
}

// relayProblem is what is wrong with the relay of a site, if it has one, as far as the hub knows.
func (h *hubRun) relayProblem(site string) *problem.Problem {
	r, ok := h.op.RelayOf(site)
	if !ok {
		return nil
	}
	p := &problem.Problem{
		Reason: "relay",
		Remedy: fmt.Sprintf("\"voipbl fleet relay %s -o FOLDER\" writes its files anew; copy them to /etc there, and start its nats-server anew", site),
	}
	missing := h.op.Unrelayed(r)
	switch {
	case r.CutOff():
		p.Error = fmt.Sprintf("the relay of the site %s is cut off until it has new files, and so are the hosts behind it", site)
	case len(missing) > 0:
		p.Error = fmt.Sprintf("the relay of the site %s does not let pass: %s", site, some(missing))
	case h.op.Moved(r):
		p.Error = fmt.Sprintf("the relay of the site %s is to reach the hub otherwise than its files say", site)
	default:
		return nil
	}
	return p
}

// noteMoved says what is to be done about relays that are cut off, or whose files no longer name the hub as it is.
func (h *hubRun) noteMoved() {
	for _, r := range h.op.Relays {
		if (r.CutOff() || h.op.Moved(r)) && len(h.op.Relayed(r.Site)) > 0 {
			h.noteRelay(r.Site)
		}
	}
}

// sitesOfRelays are the sites that have one.
func (h *hubRun) sitesOfRelays() string {
	var sites []string
	for _, r := range h.op.Relays {
		sites = append(sites, r.Site)
	}
	return some(sites)
}

// sayRelays says what is wrong with relays.
func (h *hubRun) sayRelays(s *HubStatus, now time.Time) {
	for _, r := range h.op.Relays {
		if p := h.relayProblem(r.Site); p != nil && len(h.op.Relayed(r.Site)) > 0 {
			s.Problems = append(s.Problems, p)
		}
	}
	for i := range s.Hosts {
		host := &s.Hosts[i]
		r, ok := h.op.RelayOf(host.Name.Site())
		host.Relayed = ok && !r.CutOff() && host.Revoked.IsZero() && host.Connected.IsZero() && heardLately(*host, now)
	}
}

// Sites are the sites of the fleet whose hub is below root, for completion.
func Sites(root string) (sites []string) {
	for _, name := range Names(root) {
		if site, _, _ := strings.Cut(name, "_"); len(sites) == 0 || sites[len(sites)-1] != site {
			sites = append(sites, site)
		}
	}
	return sites
}
