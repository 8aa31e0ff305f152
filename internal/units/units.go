// Package units says how an admin starts the processes of voipbl and those that it needs, and looks at them: by
// systemd, if it runs this machine, and by hand in containers and under other inits. It starts nothing itself.
package units

import "os"

// Unit is a process that systemd runs as a service.
type Unit struct {
	Name    string // of the service
	Command string // that it runs
}

// The units of Debian's packages.
var (
	Agent   = Unit{"voipbl", "voipbl run"}
	Watcher = Unit{"voipbl-pbx", "voipbl pbx run"}
	Member  = Unit{"voipbl-fleet", "voipbl fleet run"}
	Keeper  = Unit{"voipbl-hub", "voipbl fleet keep"}
	Server  = Unit{"nats-server", "nats-server -c /etc/nats-server.conf"}
)

// Service is the name of the unit as systemd has it.
func (u Unit) Service() string { return u.Name + ".service" }

// Systemd reports whether systemd runs this machine, as sd_booted(3) does.
func Systemd() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// StartRemedy is how the unit is started, where systemd runs the machine or where it does not.
func (u Unit) StartRemedy(systemd bool) string {
	if systemd {
		return "systemctl enable --now " + u.Name
	}
	return "start \"" + u.Command + "\", as services are started here"
}

// EndedRemedy is how a unit is started that should run, and where it says why it does not.
func (u Unit) EndedRemedy(systemd bool) string {
	if systemd {
		return u.StartRemedy(true) + "; " + u.LogRemedy(true) + " says why it ended"
	}
	return u.StartRemedy(false) + "; what it printed says why it ended"
}

// LogRemedy is where the unit says what it does.
func (u Unit) LogRemedy(systemd bool) string {
	if systemd {
		return "\"journalctl -u " + u.Name + "\""
	}
	return "what \"" + u.Command + "\" prints"
}
