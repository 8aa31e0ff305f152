package configfile

import (
	"errors"
	"os"
	"strings"

	"github.com/voipbl/voipbl/config"
	machine "github.com/voipbl/voipbl/host"
)

// Read reads the file of a configuration. Where there is none and it was not asked for,
// the defaults hold.
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

// Parse reads the text of a configuration's file, and says of a mistake what to do.
func Parse(file string, text []byte) (config.Config, error) {
	cfg, err := config.Parse(file, text)
	if err != nil {
		return config.Config{}, withNetworks(err)
	}
	return cfg, nil
}

// networksError adds to a configuration without local networks what they are here.
type networksError struct{ error }

func (e *networksError) Unwrap() error { return e.error }

func (e *networksError) Remedy() string {
	var found []string
	for _, p := range machine.Local() {
		found = append(found, p.String())
	}
	if len(found) == 0 {
		return "this host is in no private network; put in what your phones and you yourself come from"
	}
	return "this host is in local_networks: [" + strings.Join(found, ", ") + "]"
}

// withNetworks looks for that mistake among those of a configuration.
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
