package host

// docker looks for what publishes ports of containers, or returns nothing if
// neither Docker nor Podman is installed. Podman has no daemon that has to run:
// while a container of it runs, so does its monitor, conmon.
func (l *looker) docker() *Docker {
	running := l.running("dockerd", "podman", "conmon")
	if !running && l.program("dockerd") == "" && l.program("podman") == "" {
		return nil
	}
	return &Docker{Running: running}
}

// Docker is the Docker (or Podman) of this host.
type Docker struct {
	Running bool `json:"running"`
}
