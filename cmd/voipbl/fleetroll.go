package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/enroll"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/metrics"
	"github.com/voipbl/voipbl/screen"
)

// printHub prints how the hub and all hosts of its fleet are.
func (a *app) printHub(s *enroll.HubStatus, all bool, now time.Time) {
	connected := 0
	for _, h := range s.Hosts {
		if h.Revoked.IsZero() && (!h.Connected.IsZero() || h.Relayed) {
			connected++
		}
	}
	hosts := screen.Plural(admitted(s.Hosts), "host", "hosts")
	if !s.Answers {
		fmt.Fprintf(a.Out, "this host is the hub of a fleet of %s: its server cannot be reached, so it is not known how they are\n", hosts)
	} else {
		fmt.Fprintf(a.Out, "this host is the hub of a fleet: %d of %s connected\n", connected, hosts)
		fmt.Fprintf(a.Out, "%d of %d %s a look\n", s.Look, admitted(s.Hosts), map[bool]string{true: "needs", false: "need"}[s.Look == 1])
	}
	t := screen.Table{Right: []int{3, 4}}
	t.Row("HOST", "STATE", "LIST", "BEHIND", "BANS", "SEEN", "WHY")
	for _, h := range s.Hosts {
		if all || h.State.Bad() || !s.Answers {
			t.Row(hostRow(h, now)...)
		}
	}
	if len(t.Rows) > 1 {
		t.Print(a.Out)
	}
	if !all && s.Answers {
		a.printRest(s, now)
	}
	if words := mirrorWords(s); words != "" {
		a.Folded(words)
	}
	if s.OneSite != "" {
		a.Folded(fmt.Sprintf("all hosts are of the site %s: their bans count only where fleet.trust names it, or the operator's document does", s.OneSite))
	}
	for _, p := range s.Problems {
		a.ShowError(p.Err())
	}
}

// admitted counts the hosts that are not revoked.
func admitted(hosts []enroll.HostStatus) (n int) {
	for _, h := range hosts {
		if h.Revoked.IsZero() {
			n++
		}
	}
	return n
}

// mirrorWords says which hosts fetch lists for all, and which are to and have not been heard lately; "" without any.
func mirrorWords(s *enroll.HubStatus) string {
	var fetch, gone []string
	for _, h := range s.Hosts {
		switch {
		case !h.Mirror || !h.Revoked.IsZero() || !s.Answers || h.State == beat.Unknown:
		case h.State == beat.Silent, h.State == beat.NeverSeen:
			gone = append(gone, h.Name.String()+" ("+h.State.Words()+")")
		default:
			fetch = append(fetch, h.Name.String())
		}
	}
	var parts []string
	if len(fetch) > 0 {
		parts = append(parts, "lists are fetched for all by "+strings.Join(fetch, ", "))
	}
	if len(gone) > 0 {
		parts = append(parts, "no lists come from "+strings.Join(gone, ", "))
	}
	return strings.Join(parts, "; ")
}

// hostRow is a host in the table.
func hostRow(h enroll.HostStatus, now time.Time) []string {
	list, behind, bans, seen := "-", "-", "-", "-"
	if !h.Seen.IsZero() {
		seen = brief(now.Sub(h.Seen))
	}
	if b := h.Heartbeat; b != nil && b.Agent && h.State != beat.Silent {
		if age, ok := b.OldestList(); ok {
			list = brief(time.Duration(age)*time.Second + now.Sub(h.Seen))
		}
		behind, bans = strconv.FormatUint(h.Behind, 10), strconv.Itoa(b.Bans)
	}
	return []string{h.Name.String(), h.State.Words(), list, behind, bans, seen, screen.Clean(strings.Join(h.Why, "; "))}
}

// printRest says in a line how the hosts are that need no look.
func (a *app) printRest(s *enroll.HubStatus, now time.Time) {
	fine, revoked, oldest := 0, 0, time.Duration(0)
	for _, h := range s.Hosts {
		switch h.State {
		case beat.Revoked:
			revoked++
		case beat.Fine:
			fine++
			if age, ok := h.Heartbeat.OldestList(); ok {
				oldest = max(oldest, time.Duration(age)*time.Second+now.Sub(h.Seen))
			}
		}
	}
	var parts []string
	if fine > 0 {
		parts = append(parts, fmt.Sprintf("%d fine, with lists of %s at most, at message %d", fine, brief(oldest), s.Sequence))
	}
	if revoked > 0 {
		parts = append(parts, fmt.Sprintf("%d revoked", revoked))
	}
	if len(parts) > 0 {
		fmt.Fprintln(a.Out, "… "+strings.Join(parts, "; "))
	}
}

// brief is a time in its largest unit, such as 2h. A wrong clock makes none negative.
func brief(d time.Duration) string {
	d = max(d, 0)
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= 2*u.of || d >= u.of && u.name != "d" {
			return strconv.Itoa(int(d/u.of)) + u.name
		}
	}
	return strconv.Itoa(int(d/time.Second)) + "s"
}

// fleetMetrics writes how the hub and all hosts are into a file for Prometheus.
func (a *app) fleetMetrics(cmd *cobra.Command, ask fleetAsk) error {
	cfg, err := a.usedConfig(cmd)
	if err != nil {
		return err
	}
	if !enroll.IsHub(ask.root) {
		return &exit.Error{Code: exit.Usage, Err: (&problem.Problem{Error: "this machine is no hub of a fleet", Remedy: "run it on the hub; the metrics of this host are those that its agent serves (metrics.listen)"}).Err()}
	}
	now := time.Now()
	s, err := enroll.ReadHub(cmd.Context(), enroll.HubOptions{Root: ask.root, RunDir: cfg.RunDir}, now)
	if err == nil {
		err = metrics.WriteHub(ask.metrics, s, now)
	}
	if err != nil {
		return &exit.Error{Code: exit.Usage, Err: err}
	}
	return nil
}
