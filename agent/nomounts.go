package agent

import "os"

// withoutMounts reports whether the unit goes without its options that mount, since nothing
// may be mounted on this host: see packaging/systemd/voipbl-generator, which sets this.
func withoutMounts() bool { return os.Getenv("VOIPBL_NO_MOUNTS") != "" }
