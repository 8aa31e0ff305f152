// Package packaging is what is installed beside the program. It exports the commented
// configuration, from which "voipbl setup" makes the first one of a host.
package packaging

import _ "embed"

// Config is the configuration with all defaults and what each key is for.
//
//go:embed voipbl.yaml
var Config []byte
