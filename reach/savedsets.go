package reach

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/voipbl/voipbl/iptables"
)

// maxSavedRules is how many bytes of saved rules are read at most. A rule has some hundred.
const maxSavedRules = 64 << 20

// SavedSets returns the sets of voipbl's fail2ban actions that a file of saved rules names.
func SavedSets(path string) ([]string, error) {
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
	return iptables.NamedBanSets(text), nil
}
