package show

import (
	"fmt"
	"strings"

	"github.com/voipbl/voipbl/advise"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/survey"
)

// DoctorReport is what doctor --json prints.
type DoctorReport struct {
	Healthy  bool             `json:"healthy"`
	Findings []advise.Finding `json:"findings"`
	Closed   []lockout.Closed `json:"closed"`
	Facts    survey.Facts     `json:"facts"`
}

// Findings shows the findings of doctor.
func Findings(on *screen.Screen, r DoctorReport) {
	if r.Healthy {
		found := "nothing found"
		if len(r.Findings) > 0 {
			found = "no problem and no warning found"
		}
		fmt.Fprintln(on.Out, on.Paint(found, screen.Green))
		fmt.Fprintln(on.Out, "looked at: sets and lists, the agent, the rules of both families and backends, "+strings.Join(lookedAt(r.Facts), ", "))
	}
	var shown advise.Severity
	for _, f := range r.Findings {
		if f.Severity != shown {
			if shown != "" || r.Healthy {
				fmt.Fprintln(on.Out)
			}
			shown = f.Severity
			colour, n := map[advise.Severity]int{advise.Problem: screen.Red, advise.Warning: screen.Yellow}[shown], 0
			for _, other := range r.Findings {
				if other.Severity == shown {
					n++
				}
			}
			fmt.Fprintln(on.Out, on.Paint(screen.Plural(n, string(shown), string(shown)+"s"), colour))
		}
		fmt.Fprintf(on.Out, "  %s\n", screen.Clean(f.Text))
		for _, line := range [][2]string{{"code", f.Code}, {"why", f.Why}, {"try", f.Remedy}} {
			fmt.Fprintf(on.Out, "    %-5s %s\n", line[0]+":", screen.Clean(line[1]))
		}
	}
	if len(r.Closed) > 0 {
		fmt.Fprintln(on.Out)
	}
	Closed(on, r.Closed, false)
}

// lookedAt names what was found on the host.
func lookedAt(f survey.Facts) []string {
	all := []string{screen.Plural(len(f.Listeners), "listening port", "listening ports")}
	for _, p := range f.PBXs {
		all = append(all, strings.TrimSpace(p.Name+" "+p.Version))
	}
	if f.Fail2ban != nil {
		all = append(all, fmt.Sprintf("fail2ban (%s)", screen.Plural(len(f.Fail2ban.Jails), "jail", "jails")))
	}
	if f.Docker != nil {
		all = append(all, "Docker")
	}
	return all
}
