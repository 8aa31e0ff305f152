package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	facts "github.com/voipbl/voipbl/host"
)

// maxSavedRules bounds what is read of saved rules. A rule has some hundred bytes.
const maxSavedRules = 64 << 20

// ensureSaved makes the sets of our actions for fail2ban that saved rules name and that are
// not there. Whoever loads these rules at boot loads none of them if one set is missing, and
// fail2ban comes later. What cannot be made is in a line each.
func (r *rules) ensureSaved() (warnings []string) {
	before := digest(r.record)
	for _, f := range cidr.Families {
		names, err := savedSets(facts.RulesAtBoot[f])
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("the sets that saved rules name cannot be made: %v", err))
			continue
		}
		for _, name := range names {
			made, err := r.sets.EnsureBanSet(name, f)
			if err != nil {
				warnings = append(warnings, fmt.Sprintf("%s names a set that cannot be made: %v", facts.RulesAtBoot[f], err))
			}
			if made && !slices.Contains(r.record.Sets, name) {
				r.record.Sets = append(r.record.Sets, name)
			}
		}
	}
	if digest(r.record) != before {
		r.writeRecord() // if it cannot be kept, remember says so
	}
	return warnings
}

// savedSets are the sets of our actions for fail2ban that a file of saved rules names.
func savedSets(path string) ([]string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxSavedRules {
		err = fmt.Errorf("%s has %d bytes, and %d at most are read", path, info.Size(), maxSavedRules)
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return firewall.NamedBanSets(text), nil
}
