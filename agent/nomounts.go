package agent

import "os"

// withoutMounts reports whether the unit runs without those of its options that need mounts,
// since this host does not allow any. packaging/systemd/voipbl-generator sets the variable.
func withoutMounts() bool { return os.Getenv("VOIPBL_NO_MOUNTS") != "" }
