package survey

import (
	"context"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/engines"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/voipblsh"
)

// Options say where to look. The zero value is right for the machine itself.
type Options struct {
	// Root is the folder below which /etc, /usr and /var are read; empty means "/". With another
	// root no program is run, but processes, sockets and addresses are still those of the machine
	// and of the caller's network namespace.
	Root string

	// Fail2banClient is the command that talks to fail2ban, with its first arguments. Empty means
	// "fail2ban-client", if that is installed.
	Fail2banClient []string
}

// Look finds out what it can about the machine. It never fails: what it cannot find out goes into
// Unknown. It starts programs and opens sockets only in the calling goroutine, so they are in its
// network namespace.
func Look(ctx context.Context, o Options) Facts {
	l := probe.New(ctx, o.Root)
	var f Facts
	f.Networks = host.FindNetworks(l)
	f.Arrivals = host.FindArrivals(l)
	ways := host.FindWays(l)
	f.Listeners, f.Tunnels = ways.Listeners, ways.Tunnels
	f.PBXs = engines.Look(l)
	f.Asterisk = asterisk.Look(l)
	f.Firewalls = host.FindFirewalls(l)
	f.Fail2ban = fail2ban.Look(ctx, l, o.Fail2banClient)
	noteReaders(l, f.Asterisk, f.Fail2ban)
	f.Docker = host.FindDocker(l)
	f.XTRecent = host.FindXTRecent(l)
	f.Agent = host.FindAgent(l)
	f.Script = voipblsh.Lines(o.Root)
	f.Saved, f.SetsAtBoot = host.SavedRules(o.Root), l.AtBoot("voipbl-sets")
	f.Logins = logins.Look(l)
	f.Unknown = l.Unknowns()
	return f
}
