package exempt

import (
	"fmt"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// namesFile has the history of names. It is in the state folder, so that it survives a
// boot, and in the run folder, which is in memory: even if the disk is full, read-only,
// damaged or gone, friends stay exempt if DNS works or has worked since the boot.
const namesFile = "names"

// keptNames returns the history of names. store is nil if there is no usable state
// folder. If a file exists and cannot be read, it returns an error together with the
// names in the other file.
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

// keepNames writes the history of names. The error is that of the state folder, if there
// is a usable one.
func keepNames(cfg config.Config, store *fetch.Store, all map[string]Answer) error {
	if run, err := fetch.OpenStore(cfg.RunDir); err == nil {
		run.WriteJSON(namesFile, all) // if that fails, the state folder has it
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
