package configfile

import (
	"errors"
	"os"
	"strings"

	"github.com/voipbl/voipbl/config"
	machine "github.com/voipbl/voipbl/host"
)

// Read reads a configuration file. If the file does not exist and asked is false, it returns the
// defaults.
func Read(file string, asked bool) (config.Config, error) {
	text, err := os.ReadFile(file)
	if err == nil && IsBlank(text) && hadConfig(text) {
		return config.Config{}, &emptiedError{file}
	}
	if errors.Is(err, os.ErrNotExist) && !asked {
		return config.Default(), nil
	}
	if err != nil {
		return config.Config{}, &unreadError{err}
	}
	return Parse(file, text)
}

// Parse parses the text of a configuration file. Its errors have a remedy.
func Parse(file string, text []byte) (config.Config, error) {
	cfg, err := config.Parse(file, text)
	if err != nil {
		return config.Config{}, withNetworks(err)
	}
	return cfg, nil
}

// networksError is a configuration without local networks. It adds the networks found on this host.
type networksError struct{ error }

func (e *networksError) Unwrap() error { return e.error }

func (e *networksError) Remedy() string {
	var found []string
	for _, p := range machine.Local() {
		found = append(found, p.String())
	}
	if len(found) == 0 {
		return "this host is in no private network; enter the networks that you and your phones use"
	}
	return "this host is in local_networks: [" + strings.Join(found, ", ") + "]"
}

// withNetworks turns a mistake about missing local networks into a networksError.
func withNetworks(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return &mistakeError{err}
	}
	for _, e := range joined.Unwrap() {
		var mistake *config.Error
		if errors.As(e, &mistake) && mistake.Key == config.KeyLocalNetworks && mistake.Missing {
			return &networksError{err}
		}
	}
	return &mistakeError{err}
}
