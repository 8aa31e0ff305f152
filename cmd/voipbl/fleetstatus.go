package main

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/state"
)

// fleetStatus is what "voipbl fleet status --json" prints.
type fleetStatus struct {
	Hubs     []string           `json:"hubs"`           // of this host's fleet; none: it is in no fleet
	Host     *link.Reported     `json:"host,omitempty"` // what the process that talks with the hub has said last, if it runs
	Problems []*problem.Problem `json:"problems"`       // why this host and the others do not know of each other's bans, as in status
	Hub      *enroll.HubStatus  `json:"hub,omitempty"`  // if this host is a hub
}

// fleetAsk is what is asked of "voipbl fleet status".
type fleetAsk struct {
	root    string // of the hub's files
	all     bool   // hosts that need no look, too
	metrics string // the file for Prometheus
}

func (a *app) fleetStatusCommand() *cobra.Command {
	var ask fleetAsk
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how this host is in its fleet; on the hub, how all are",
		Long: `Say whether this host is connected with the hub of its fleet, how many hosts and
bans it has heard of, how many of these bans count here, and which of those that
would are not made, and why.

On the hub, list the hosts that need a look, the worst first, and why: those
that say that they are not protected, that have said nothing for three minutes
or never, whose rules or sets others change, with a stale list, and so on. Each
host tells the hub once a minute how it is, and sooner when it is protected no
more or again. The others are one line, unless --all. What is wrong with the hub
itself is said below.

--metrics writes the same into a file for Prometheus' node exporter, in the
folder of its textfile collector, and prints nothing. It ends with 0 once the
file is written, whatever is in it.

Exit status: 0 all is well, also without a fleet; 3 something is wrong, which it
says, or this host has not been connected for less than a minute; 1 it is not
connected for longer, or since the hub refuses its key, or since nothing here
talks with the hub; on the hub, its server does not answer, or a host is not
protected; 2 usage or configuration, or it cannot be found out.`,
		Example: `  voipbl fleet status
  voipbl fleet status --all
  voipbl fleet status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.fleetStatus(cmd, ask) },
	}
	cmd.Flags().StringVar(&ask.root, "root", "", "the hub's files are below `DIR`, such as a container's")
	cmd.Flags().BoolVar(&ask.all, "all", false, "list also hosts that need no look")
	cmd.Flags().StringVar(&ask.metrics, "metrics", "", "write metrics of all hosts into `FILE`")
	cmd.MarkFlagFilename("metrics")
	a.jsonFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("metrics", "json")
	return cmd
}

func (a *app) fleetStatus(cmd *cobra.Command, ask fleetAsk) error {
	if ask.metrics != "" {
		return a.fleetMetrics(cmd, ask)
	}
	s, code := fleetStatus{Problems: []*problem.Problem{}}, exit.OK
	cfg, err := a.usedConfig(cmd) // the agent's: it may have refused the file's
	switch {
	case err == nil:
	case !enroll.IsHub(ask.root):
		return err
	default: // the hub needs nothing of it
		s.Problems, code = append(s.Problems, problem.Of(err)), exit.Usage
	}
	s.Hubs = append([]string{}, cfg.Fleet.Hubs...)
	if cfg.Fleet.On() {
		agent, err := state.AskStatus(cmd.Context(), cfg)
		if err != nil {
			return &exit.Error{Code: exit.Usage, Err: err}
		}
		host, problems := blocklist.InFleet(cfg.Fleet, agent, time.Now())
		s.Host, s.Problems = host, append(s.Problems, problems...)
		switch {
		case len(problems) == 0 && s.waits():
			code = exit.Stale
		case len(problems) == 0:
		case s.Host == nil || s.Host.Health.Connected.IsZero():
			code = exit.NotApplied
		default:
			code = exit.Stale
		}
	}
	now := time.Now()
	if enroll.IsHub(ask.root) {
		if s.Hub, err = enroll.ReadHub(cmd.Context(), enroll.HubOptions{Root: ask.root, RunDir: cfg.RunDir}, now); err != nil {
			return &exit.Error{Code: exit.Usage, Err: err}
		}
		switch {
		case code == exit.Usage:
		case !s.Hub.Answers, s.Hub.Unprotected():
			code = exit.NotApplied
		case len(s.Hub.Problems) > 0, s.Hub.Look > 0:
			code = cmp.Or(code, exit.Stale)
		}
	}
	if a.JSON {
		a.PrintJSON(s)
	} else {
		a.printFleet(s, cfg.Fleet.Accept, ask.all, now)
	}
	if code == exit.OK {
		return nil
	}
	return &exit.Error{Code: code}
}

// waits reports whether nothing is wrong yet, and this host is not connected all the same.
func (s *fleetStatus) waits() bool {
	return len(s.Hubs) > 0 && len(s.Problems) == 0 && (s.Host == nil || s.Host.Health.Connected.IsZero())
}

// connectedFor says how long a connection has lasted.
func connectedFor(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute"
	}
	return screen.Span(d)
}

func (a *app) printFleet(s fleetStatus, accept, all bool, now time.Time) {
	if len(s.Hubs) == 0 && s.Hub == nil {
		fmt.Fprintln(a.Out, "this host is in no fleet")
		return
	}
	if len(s.Hubs) > 0 {
		var t screen.Table
		if s.Host == nil && s.waits() {
			t.Row("connected", "not yet: what talks with the hub is about to begin")
		}
		if s.Host != nil {
			h := s.Host.Health
			t.Row("name", screen.Clean(h.Name))
			t.Row("hub", screen.OrNone(screen.Clean(h.Hub)))
			if !h.Connected.IsZero() {
				t.Row("connected", "for "+connectedFor(time.Since(h.Connected)))
			} else {
				t.Row("connected", "no: "+cmp.Or(screen.Clean(h.Error), "it tries to"))
			}
			left, why := blocklist.NotMade(h.Left)
			count := " count here"
			if !accept {
				count = " would count here (fleet.accept is off)"
			}
			t.Row("others", screen.Plural(h.Hosts, "host", "hosts")+", "+screen.Plural(h.Heard, "ban", "bans")+", of which "+strconv.Itoa(max(h.Believed-left, 0))+count)
			if left > 0 {
				t.Row("not made here", why)
			}
			if h.Uncounted {
				t.Row("document", "the operator's does not count here: fleet.key is empty")
			}
			if h.Unsaid > 0 {
				t.Row("unsaid", screen.Plural(h.Unsaid, "own ban", "own bans")+" that the hub does not have yet")
			}
		}
		t.Print(a.Out)
	}
	for _, p := range s.Problems {
		a.ShowError(p.Err())
	}
	if s.Hub != nil {
		a.printHub(s.Hub, all, now)
	}
}
