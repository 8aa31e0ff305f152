package main

import (
	"fmt"
	"strings"

	"github.com/voipbl/voipbl/advise"
	machine "github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/lockout"
)

// doctorReport is what doctor --json prints.
type doctorReport struct {
	Healthy  bool             `json:"healthy"`
	Findings []advise.Finding `json:"findings"`
	Closed   []lockout.Closed `json:"closed"`
	Facts    machine.Facts    `json:"facts"`
}

// printFindings shows what doctor has found.
func (on *Screen) printFindings(r doctorReport) {
	if r.Healthy {
		found := "nothing found"
		if len(r.Findings) > 0 {
			found = "no problem and no warning found"
		}
		fmt.Fprintln(on.out, on.paint(found, green))
		fmt.Fprintln(on.out, "looked at: sets and lists, the agent, the rules of both families and backends, "+strings.Join(lookedAt(r.Facts), ", "))
	}
	var shown advise.Severity
	for _, f := range r.Findings {
		if f.Severity != shown {
			if shown != "" || r.Healthy {
				fmt.Fprintln(on.out)
			}
			shown = f.Severity
			colour, n := map[advise.Severity]int{advise.Problem: red, advise.Warning: yellow}[shown], 0
			for _, other := range r.Findings {
				if other.Severity == shown {
					n++
				}
			}
			fmt.Fprintln(on.out, on.paint(plural(n, string(shown), string(shown)+"s"), colour))
		}
		fmt.Fprintf(on.out, "  %s\n", clean(f.Text))
		for _, line := range [][2]string{{"code", f.Code}, {"why", f.Why}, {"try", f.Remedy}} {
			fmt.Fprintf(on.out, "    %-5s %s\n", line[0]+":", clean(line[1]))
		}
	}
	if len(r.Closed) > 0 {
		fmt.Fprintln(on.out)
	}
	on.printClosed(r.Closed, false)
}

// lookedAt names what was found on a host.
func lookedAt(f machine.Facts) []string {
	all := []string{plural(len(f.Listeners), "listening port", "listening ports")}
	for _, p := range f.PBXs {
		all = append(all, strings.TrimSpace(p.Name+" "+p.Version))
	}
	if f.Fail2ban != nil {
		all = append(all, fmt.Sprintf("fail2ban (%s)", plural(len(f.Fail2ban.Jails), "jail", "jails")))
	}
	if f.Docker != nil {
		all = append(all, "Docker")
	}
	return all
}
