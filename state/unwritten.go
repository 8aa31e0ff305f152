package state

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// unwrittenPrefix begins the name of a note in the run folder that a file of the state
// folder could not be written the last time: a file each, so that several processes and
// fetches may write and take away theirs at the same time. Why a disk takes nothing shows
// seldom without writing: a quota, a list that has grown, a bad block.
const unwrittenPrefix = "unwritten-"

// unwritten is the content of such a note.
type unwritten struct {
	At     time.Time    `json:"at"`
	Reason fetch.Reason `json:"reason"`
	Error  string       `json:"error"`
	Remedy string       `json:"remedy"`
}

// noteUnwritten notes that a file could not be written, or takes the note away. A run
// folder that cannot be written to either has a trouble of its own.
func noteUnwritten(cfg config.Config, file string, err error) {
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

// eachUnwritten goes through the notes, by the names of the files that they are about.
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

// UnwrittenNow are when the notes that are there were made, by the names of the files.
func UnwrittenNow(cfg config.Config) map[string]time.Time {
	at := make(map[string]time.Time)
	eachUnwritten(cfg, func(_ *fetch.Store, file string, note unwritten) { at[file] = note.At })
	return at
}

// ForgetUnwritten takes away those notes of before a sync that it has not made anew: it has
// tried all of it again. The clock does not tell, as it may have been ahead when they were
// made.
func ForgetUnwritten(cfg config.Config, before map[string]time.Time) {
	eachUnwritten(cfg, func(run *fetch.Store, file string, note unwritten) {
		if at, known := before[file]; known && at.Equal(note.At) {
			run.RemoveJSON(unwrittenPrefix + file)
		}
	})
}

// ForgetUnlisted takes away the notes of lists that are not configured any more: nothing
// writes their files again.
func ForgetUnlisted(cfg config.Config) {
	eachUnwritten(cfg, func(run *fetch.Store, file string, _ unwritten) {
		name, ofFeed := fetch.FeedOf(file)
		name = strings.TrimPrefix(name, StandInPrefix)
		if ofFeed && !slices.ContainsFunc(cfg.Feeds, func(f config.Feed) bool { return f.Name == name }) {
			run.RemoveJSON(unwrittenPrefix + file)
		}
	})
}

// unwrittenOf is what could not be written into the state folder the last time; nil if
// nothing is known of.
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

// StillUnkept are the feeds of which no copy could be kept, without those of which one was
// kept since, by a sync.
func StillUnkept(cfg config.Config, unkept map[string]bool) map[string]bool {
	noted := make(map[string]bool)
	eachUnwritten(cfg, func(_ *fetch.Store, file string, _ unwritten) { noted[file] = true })
	now := make(map[string]bool, len(unkept))
	for name, is := range unkept {
		now[name] = is && (noted[fetch.CopyName(name)] || RunFolder(cfg).Trouble() != nil)
	}
	return now
}

// StandInPrefix begins the name of a stand-in's file. No feed's name begins so.
const StandInPrefix = "_kept."
