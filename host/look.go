package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	l := &looker{ctx: ctx, root: o.Root, facts: Facts{
		Networks: []Network{}, Listeners: []Listener{}, Tunnels: []Tunnel{}, PBXs: []PBX{}, Firewalls: []Owner{}, Unknown: []Unknown{},
	}}
	if l.root == "" {
		l.root = "/"
	}
	l.facts.Networks = l.networks()
	l.facts.Arrivals = l.arrivals()
	l.processes = l.listProcesses()
	ways := l.ways()
	l.facts.Listeners, l.facts.Tunnels = ways.Listeners, ways.Tunnels
	l.facts.PBXs = l.pbxs()
	l.facts.Asterisk = l.asterisk()
	l.facts.Firewalls = l.firewalls()
	l.facts.Fail2ban = l.fail2ban(o.Fail2banClient)
	l.readers()
	l.facts.Docker = l.docker()
	l.facts.XTRecent = l.xtRecent()
	l.facts.Agent = l.agentUnit()
	l.facts.Script = ScriptLines(l.root)
	l.facts.Saved, l.facts.SetsAtBoot = SavedRules(l.root), l.hasUnit("voipbl-sets") && l.atBoot("voipbl-sets")
	l.facts.Logins = l.logins()
	return l.facts
}

// looker is a look under way.
type looker struct {
	ctx       context.Context
	root      string
	processes []process
	holders   map[string]string // the programs that hold tun devices, by device

	execIncludes bool     // Asterisk runs what stands behind "#exec"
	skipped      []string // lines that Asterisk leaves out

	facts Facts
}

// real reports whether the files are those of the machine, so that its programs
// may be asked too.
func (l *looker) real() bool { return filepath.Clean(l.root) == "/" }

// maxUnknown bounds what is told about one look: a folder full of broken files is
// one trouble.
const maxUnknown = 100

// unknown notes what could not be found out, with the error's own remedy or else
// with the one given.
func (l *looker) unknown(what string, err error, remedy string) {
	if err == nil || len(l.facts.Unknown) >= maxUnknown {
		return
	}
	var own interface{ Remedy() string }
	switch {
	case errors.As(err, &own):
		remedy = own.Remedy()
	case errors.Is(err, os.ErrPermission):
		remedy = "run it as root"
	}
	l.facts.Unknown = append(l.facts.Unknown, Unknown{What: what, Error: strings.ReplaceAll(err.Error(), "\n", "; "), Remedy: remedy})
}

// several is one error for a list of them, which says the first few; nil if there
// is none.
func several(errs []error) error {
	const most = 3
	if len(errs) > most {
		more := fmt.Errorf("and %d more", len(errs)-most)
		errs = append(slices.Clone(errs[:most]), more)
	}
	return errors.Join(errs...)
}
