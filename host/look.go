package host

import (
	"context"
)

// Options say where to look. The zero value is right for the machine itself.
type Options struct {
	// Root is the folder that /etc, /usr and /var are read below; empty means "/".
	// Below another one nothing is run: the processes, sockets and addresses are
	// still those of the machine and of the caller's network namespace.
	Root string

	// Fail2banClient is the command that speaks to fail2ban, with its first
	// arguments; empty means "fail2ban-client", if that is installed.
	Fail2banClient []string
}

// Look finds out what it can about the machine. It does not fail: what cannot be
// found out is among Unknown. It starts programs and opens sockets in the calling
// goroutine only, so that they are in its network namespace.
func Look(ctx context.Context, o Options) Facts {
	l := newLooker(ctx, o.Root)
	var f Facts
	f.Networks = l.networks()
	f.Arrivals = l.arrivals()
	ways := l.ways()
	f.Listeners, f.Tunnels = ways.Listeners, ways.Tunnels
	f.PBXs = l.pbxs()
	f.Asterisk = l.asterisk()
	f.Firewalls = l.firewalls()
	f.Fail2ban = lookAtFail2ban(ctx, l, o.Fail2banClient)
	l.readers(f.Asterisk, f.Fail2ban)
	f.Docker = l.docker()
	f.XTRecent = l.xtRecent()
	f.Agent = l.agentUnit()
	f.Script = ScriptLines(o.Root)
	f.Saved, f.SetsAtBoot = SavedRules(o.Root), l.atBoot("voipbl-sets")
	f.Logins = l.logins()
	f.Unknown = l.unknowns()
	return f
}
