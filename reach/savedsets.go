package reach

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// maxSavedRules is how many bytes of saved rules are read at most. A rule has some hundred.
const maxSavedRules = 64 << 20

// RulesFile reads a file of saved rules. One that is not there has none.
func RulesFile(path string) ([]byte, error) {
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
	return os.ReadFile(path)
}
