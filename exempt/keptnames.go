package exempt

import (
	"fmt"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// namesFile keeps what names have stood for: in the state folder, so that it outlives a
// boot, and in the run folder, which is in memory. A disk that is full, read-only, damaged
// or gone then takes no friend's exemption away while DNS works or has worked since the
// boot.
const namesFile = "names"

// keptNames is what names have stood for. store is nil where there is no state folder, or
// none that can be used. The error is about a file that is there and cannot be read; what
// the other one has comes with it.
func keptNames(cfg config.Config, store *fetch.Store) (map[string]Answer, error) {
	kept := make(map[string]Answer)
	var damaged error
	if store != nil {
		if err := store.ReadJSON(namesFile, &kept); err != nil && !problem.IsAbsent(err) {
			kept, damaged = make(map[string]Answer), fmt.Errorf("last good DNS answers: %w", err)
		}
	}
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		return kept, damaged
	}
	defer run.Close()
	var inMemory map[string]Answer
	if run.ReadJSON(namesFile, &inMemory) == nil {
		for name, k := range inMemory {
			if k.At.After(kept[name].At) {
				kept[name] = k
			}
		}
	}
	return kept, damaged
}

// keepNames writes down what names have stood for. The error is that of the state folder,
// if there is one that can be used.
func keepNames(cfg config.Config, store *fetch.Store, all map[string]Answer) error {
	if run, err := fetch.OpenStore(cfg.RunDir); err == nil {
		run.WriteJSON(namesFile, all) // without it the state folder has it
		run.Close()
	}
	if store == nil {
		return nil
	}
	if err := store.WriteJSON(namesFile, all); err != nil {
		return fmt.Errorf("keep DNS answers: %w", err)
	}
	return nil
}
