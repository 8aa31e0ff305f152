package advise

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
)

// keyHub says which fleet a host is in.
const keyHub = "fleet.hub"

// InFleet returns the text of a configuration in which these are the hubs of the fleet; without one the
// host is in no fleet. If it cannot change the text safely, the error says what to change by hand.
func InFleet(text []byte, hubs []string) ([]byte, config.Config, error) {
	cfg, err := config.Parse("", text)
	if err != nil {
		return nil, cfg, err
	}
	if slices.Equal(cfg.Fleet.Hubs, hubs) {
		return text, cfg, nil
	}
	words := make([]string, len(hubs))
	for i, h := range hubs {
		words[i] = `"` + h + `"`
	}
	value, why := "["+strings.Join(words, ", ")+"]", "the fleet that this host is in"
	if len(hubs) == 0 {
		why = "in no fleet"
	}
	return setOne(text, cfg, keyHub, value, why, func(c *config.Config) { c.Fleet.Hubs = hubs })
}

// WithDocumentKey returns the text of a configuration in which this is the key of the fleet's operator, as
// [InFleet] does. The zero key is that of a fleet whose operator signs no document.
func WithDocumentKey(text []byte, k config.DocumentKey) ([]byte, config.Config, error) {
	cfg, err := config.Parse("", text)
	if err != nil || cfg.Fleet.Key == k {
		return text, cfg, err
	}
	value, why := `"`+k.String()+`"`, "whose document counts here"
	if k == (config.DocumentKey{}) {
		value, why = `""`, "no document counts here"
	}
	return setOne(text, cfg, "fleet.key", value, why, func(c *config.Config) { c.Fleet.Key = k })
}

func setOne(text []byte, cfg config.Config, what, value, why string, set func(*config.Config)) ([]byte, config.Config, error) {
	p := &proposer{text: string(text), cfg: cfg, def: config.Default()}
	p.set(what, value, why, set, key(what, value, why))
	var errs []error
	for _, c := range p.out.Choices {
		if c.State == ByHand {
			errs = append(errs, fmt.Errorf("set %s to %s by hand: this text cannot be changed safely", c.Key, c.Value))
		}
	}
	return []byte(p.text), p.cfg, errors.Join(errs...)
}
