package host

import "github.com/voipbl/voipbl/internal/probe"

// Unit is a systemd service.
type Unit struct {
	AtBoot     bool `json:"at_boot"`     // systemd starts it at boot
	ExitStatus int  `json:"exit_status"` // exit status of its last run, if that had one; 226 is NAMESPACE
}

// FindAgent finds the unit of voipbl's agent. It returns nil if none is installed.
func FindAgent(l *probe.Look) *Unit {
	const name = "voipbl"
	if !l.HasUnit(name) {
		return nil
	}
	return &Unit{AtBoot: l.AtBoot(name), ExitStatus: l.ExitStatus(name)}
}
