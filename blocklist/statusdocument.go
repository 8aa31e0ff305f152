package blocklist

import (
	"context"
	"fmt"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fleet/docfile"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/state"
)

// DocumentStatus is the operator's document of the fleet, as it counts on this host.
type DocumentStatus struct {
	Serial  uint64    `json:"serial"`      // 0: none counts yet
	At      time.Time `json:"at,omitzero"` // when it was signed
	Allow   int       `json:"allow"`       // hosts that it allows
	Trunks  int       `json:"trunks"`      // trunks that it allows
	Revoked []string  `json:"revoked"`     // hosts of the fleet whose bans count no more
	Minimum string    `json:"minimum_version,omitempty"`

	Problems []*problem.Problem `json:"problems,omitempty"`
}

// belowMinimum is the reason of a problem that this program is older than the document asks for.
const belowMinimum = "version-below-minimum"

// documentStatus returns nil if no document ever counts here. version is this program's.
func documentStatus(cfg config.Config, version string, agent *state.AgentStatus) *DocumentStatus {
	if !cfg.Fleet.HasDocument() {
		return nil
	}
	b := docfile.Read(cfg)
	s := &DocumentStatus{
		Serial: b.Serial, At: b.At, Allow: len(b.Allow), Trunks: len(b.Trunks), Revoked: append([]string{}, b.Revoked...), Minimum: b.MinimumVersion,
	}
	if p := b.Problem(); p != nil {
		s.Problems = append(s.Problems, p)
	}
	if agent != nil && agent.DocumentRefused != nil {
		s.Problems = append(s.Problems, agent.DocumentRefused)
	}
	if b.Wants(version) {
		s.Problems = append(s.Problems, &problem.Problem{
			Reason: belowMinimum,
			Error:  fmt.Sprintf("the operator of the fleet asks for voipbl %s or newer, and this is %s", b.MinimumVersion, version),
			Remedy: "install a newer voipbl",
		})
	}
	return s
}

// DocumentNow returns the operator's document as it counts on this host; with serial 0 none does.
func DocumentNow(ctx context.Context, cfg config.Config, version string) *DocumentStatus {
	agent, _ := state.AskStatus(ctx, cfg) // without an agent, nothing was refused
	if s := documentStatus(cfg, version, agent); s != nil {
		return s
	}
	return &DocumentStatus{Revoked: []string{}}
}
