package host

// Unit is a service of systemd's.
type Unit struct {
	AtBoot     bool `json:"at_boot"`     // systemd starts it
	ExitStatus int  `json:"exit_status"` // of its last end, if that was one with a status; 226 is NAMESPACE
}

// agentUnit is the unit of voipbl's own agent, or nothing if none is installed.
func (l *looker) agentUnit() *Unit {
	const name = "voipbl"
	if !l.hasUnit(name) {
		return nil
	}
	return &Unit{AtBoot: l.atBoot(name), ExitStatus: l.exitStatus(name)}
}
