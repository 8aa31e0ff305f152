package host

import "github.com/voipbl/voipbl/internal/probe"

// Unit is a service of systemd's.
type Unit struct {
	AtBoot     bool `json:"at_boot"`     // systemd starts it
	ExitStatus int  `json:"exit_status"` // of its last end, if that was one with a status; 226 is NAMESPACE
}

// FindAgent finds the unit of voipbl's own agent, or nothing if none is installed.
func FindAgent(l *probe.Look) *Unit {
	const name = "voipbl"
	if !l.HasUnit(name) {
		return nil
	}
	return &Unit{AtBoot: l.AtBoot(name), ExitStatus: l.ExitStatus(name)}
}
