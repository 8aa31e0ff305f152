package connect

import (
	"context"
	"fmt"
	"strings"
)

// Console runs a command of Asterisk's console and returns what it prints.
type Console func(ctx context.Context, command string) (string, error)

// Reload has a running Asterisk read the files of a plan. Calls and registrations go on.
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

// Commands are those that Reload runs, whether files change or not: a run before this one may have been
// killed after it had written them. res_hep_pjsip cannot be loaded while hep.conf says that it is off, so a
// module may be loaded or not: a load of what is loaded changes nothing, nor does the reload of what is
// not. Without a hep.conf, res_hep goes on with the settings that it has; so the module that sends is
// unloaded.
func (p Plan) Commands() []string {
	var all []string
	switch {
	case p.HEP:
		all = append(all, loadHEP...)
	case p.noHEP:
		all = append(all, "module unload res_hep_pjsip.so", "module reload res_hep.so")
	}
	if p.AMI || p.noAMI {
		all = append(all, reloadManager)
	}
	return all
}
