package state

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// unwrittenPrefix begins the name of a note in the run folder: the last write of a file
// in the state folder has failed. Each file has its own note, so that several processes
// and fetches can write and remove theirs at the same time. Notes are needed because a
// quota, a list that has grown or a bad block only shows when something is written.
const unwrittenPrefix = "unwritten-"

// unwritten is the content of a note.
type unwritten struct {
	At     time.Time    `json:"at"`
	Reason fetch.Reason `json:"reason"`
	Error  string       `json:"error"`
	Remedy string       `json:"remedy"`
}

// noteUnwritten notes that a file could not be written, or removes the note if err is
// nil. If the run folder cannot be written to either, Trouble reports that.
func noteUnwritten(cfg config.Config, file string, err error) {
	if _, absent := os.Lstat(filepath.Join(cfg.RunDir, unwrittenPrefix+file+".json")); err == nil && absent != nil {
		return // nearly always: do not open the folder for each file
	}
	run, openErr := fetch.FindStore(cfg.RunDir)
	if openErr != nil {
		return
	}
	defer run.Close()
	if err == nil {
		run.RemoveJSON(unwrittenPrefix + file)
		return
	}
	p := problem.Of(err)
	note := unwritten{time.Now(), fetch.Reason(p.Reason), p.Error, p.Remedy}
	run.WriteJSON(unwrittenPrefix+file, note)
}

// eachUnwritten calls each for every note, with the name of the file that it is about.
func eachUnwritten(cfg config.Config, each func(run *fetch.Store, file string, note unwritten)) {
	run, err := fetch.FindStore(cfg.RunDir)
	if err != nil {
		return
	}
	defer run.Close()
	entries, err := os.ReadDir(cfg.RunDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		file, isNote := strings.CutPrefix(strings.TrimSuffix(e.Name(), ".json"), unwrittenPrefix)
		var note unwritten
		if isNote && run.ReadJSON(unwrittenPrefix+file, &note) == nil {
			each(run, file, note)
		}
	}
}

// UnwrittenNow returns when each note was made, by the name of the file.
func UnwrittenNow(cfg config.Config) map[string]time.Time {
	at := make(map[string]time.Time)
	eachUnwritten(cfg, func(_ *fetch.Store, file string, note unwritten) { at[file] = note.At })
	return at
}

// IsUnwritten reports whether the last write of a file in the state folder has failed.
func IsUnwritten(cfg config.Config, file string) bool {
	_, err := os.Lstat(filepath.Join(cfg.RunDir, unwrittenPrefix+file+".json"))
	return err == nil
}

// ForgetUnwritten removes the notes from before a sync that the sync has not made again: it
// has tried all writes again. The clock alone cannot tell, because it may have been ahead
// when they were made.
func ForgetUnwritten(cfg config.Config, before map[string]time.Time) {
	eachUnwritten(cfg, func(run *fetch.Store, file string, note unwritten) {
		if at, known := before[file]; known && at.Equal(note.At) {
			run.RemoveJSON(unwrittenPrefix + file)
		}
	})
}

// ForgetUnconfigured removes the notes of feeds that are no longer configured: nothing
// writes their files again.
func ForgetUnconfigured(cfg config.Config) {
	eachUnwritten(cfg, func(run *fetch.Store, file string, _ unwritten) {
		name, ofFeed := fetch.FeedOf(file)
		name = strings.TrimPrefix(name, StandInPrefix)
		if ofFeed && !slices.ContainsFunc(cfg.Feeds, func(f config.Feed) bool { return f.Name == name }) {
			run.RemoveJSON(unwrittenPrefix + file)
		}
	})
}

// unwrittenOf returns the failed writes into the state folder, or nil if there are
// none.
func unwrittenOf(cfg config.Config) *problem.Problem {
	var all []unwritten
	eachUnwritten(cfg, func(_ *fetch.Store, _ string, note unwritten) { all = append(all, note) })
	if len(all) == 0 {
		return nil
	}
	f, first, more := stateFolder(cfg), all[0], ""
	if n := len(all) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	p := &problem.Problem{Reason: f.reason, Error: fmt.Sprintf("the last write into %s has failed: %s%s; %s", f.key, first.Error, more, f.loss), Remedy: f.roomRemedy()}
	if first.Reason != fetch.ReasonNoSpace {
		p.Remedy = first.Remedy + "; then run \"voipbl sync\""
	}
	return p
}

// StillUnkept returns the feeds whose last list could not be copied to disk, without those
// that a sync has copied since.
func StillUnkept(cfg config.Config, unkept map[string]bool) map[string]bool {
	noted := make(map[string]bool)
	eachUnwritten(cfg, func(_ *fetch.Store, file string, _ unwritten) { noted[file] = true })
	now := make(map[string]bool, len(unkept))
	for name, is := range unkept {
		now[name] = is && (noted[fetch.CopyName(name)] || RunFolder(cfg).Trouble() != nil)
	}
	return now
}

// StandInPrefix begins the file name of a stand-in, the copy of a lost list that was
// taken from the kernel. No feed's name begins with it.
const StandInPrefix = "_kept."
