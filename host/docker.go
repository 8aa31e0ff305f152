package host

import "github.com/voipbl/voipbl/internal/probe"

// findDocker looks for what publishes ports of containers, or returns nothing if
// neither Docker nor Podman is installed. Podman has no daemon that has to run:
// while a container of it runs, so does its monitor, conmon.
func findDocker(l *probe.Look) *Docker {
	running := l.Running("dockerd", "podman", "conmon")
	if !running && l.Program("dockerd") == "" && l.Program("podman") == "" {
		return nil
	}
	return &Docker{Running: running}
}

// Docker is the Docker (or Podman) of this host.
type Docker struct {
	Running bool `json:"running"`
}
