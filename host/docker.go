package host

import "github.com/voipbl/voipbl/internal/probe"

// FindDocker looks for Docker or Podman, which publish ports of containers. It returns nil if
// neither is installed. Podman has no daemon; it counts as running while a container's monitor,
// conmon, runs.
func FindDocker(l *probe.Look) *Docker {
	running := l.Running("dockerd", "podman", "conmon")
	if !running && l.Program("dockerd") == "" && l.Program("podman") == "" {
		return nil
	}
	return &Docker{Running: running}
}

// Docker describes what publishes ports of containers here: Docker or Podman.
type Docker struct {
	Running bool `json:"running"`
}
