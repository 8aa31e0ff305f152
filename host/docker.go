package host

import "github.com/voipbl/voipbl/internal/probe"

// FindDocker looks for what publishes ports of containers, or returns nothing if
// neither Docker nor Podman is installed. Podman has no daemon that has to run:
// while a container of it runs, so does its monitor, conmon.
func FindDocker(l *probe.Look) *Docker {
	running := l.Running("dockerd", "podman", "conmon")
	if !running && l.Program("dockerd") == "" && l.Program("podman") == "" {
		return nil
	}
	return &Docker{Running: running}
}

// Docker is what publishes ports of containers here: Docker or Podman.
type Docker struct {
	Running bool `json:"running"`
}
