package connect

import (
	"context"
	"fmt"
	"strings"
)

// Console runs a command of Asterisk's console and returns what it prints.
type Console func(ctx context.Context, command string) (string, error)

// Reload has a running Asterisk read the files that a plan has changed. Calls and registrations go on.
func (p Plan) Reload(ctx context.Context, run Console) error {
	for _, command := range p.Commands() {
		out, err := run(ctx, command)
		if err != nil {
			return fmt.Errorf("asterisk -rx '%s': %w", command, err)
		}
		if strings.Contains(out, "No such command") {
			return fmt.Errorf("asterisk -rx '%s': %s", command, strings.TrimSpace(out))
		}
	}
	return nil
}

// What Asterisk takes over changed files by.
var loadHEP = []string{"module load res_hep.so", "module reload res_hep.so", "module load res_hep_pjsip.so"}

const reloadManager = "manager reload"

// Commands are those that Reload runs. res_hep_pjsip cannot be loaded while hep.conf says that it is off, so a module
// may be loaded or not. A load of what is loaded changes nothing, nor does the reload of what is not.
func (p Plan) Commands() []string {
	var all []string
	hep, manager := false, false
	for _, c := range p.Files {
		hep = hep || c.File == hepFile
		manager = manager || c.File != hepFile
	}
	if hep && p.HEP {
		all = append(all, loadHEP...)
	} else if hep {
		all = append(all, "module reload res_hep.so")
	}
	if manager {
		all = append(all, reloadManager)
	}
	return all
}
