package page

import (
	"fmt"
	"math"
)

// share is the share of one core that an agent used, in percent.
func (a Agent) share() float64 { return a.CPU / (a.Seconds * 1000) * 100 }

// agentCPU is that of the agent that is scraped, with a list of so many lines. NaN without one.
func (r Results) agentCPU(lines int) float64 {
	for _, a := range r.Agents {
		if a.Lines == lines && a.Scraped {
			return a.share()
		}
	}
	return math.NaN()
}

// agentTable is about running agents.
func (r Results) agentTable() string {
	t := table{head: []string{"lines", "scraped", "for", "CPU, share of a core", "memory, MB", "peak, MB"}}
	for _, a := range r.Agents {
		scraped := "no"
		if a.Scraped {
			scraped = "every 15 s"
		}
		t.add(thousands(a.Lines), scraped, fmt.Sprintf("%.0f s", a.Seconds), fmt.Sprintf("%.3f %%", a.share()), number(a.Resident), number(a.Peak))
	}
	return t.String()
}
