package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fetch"
)

// fileWatch tells which of the files that matter have changed. inotify(7) watches
// folders; where one does not exist yet the nearest above it is watched, until it
// does.
type fileWatch struct {
	watcher *fsnotify.Watcher   // nil if nothing can be watched
	files   map[string]fileKind // what is watched for
	folders map[string]bool     // that are watched
}

// fileKind is what a file is to the agent.
type fileKind string

const (
	fileNone   fileKind = ""
	fileConfig fileKind = "configuration"
	fileBans   fileKind = "bans"
	fileFeed   fileKind = "feed"

	fileReports fileKind = "reports"
)

// watchEvery is how often watching is tried again where it could not begin.
const watchEvery = time.Minute

// watchFiles begins to watch files, if that is not done yet.
func (d *daemon) watchFiles(_ context.Context, now time.Time) {
	if d.files.watcher != nil {
		return
	}
	d.agenda.set(watchTask, now.Add(watchEvery))
	files, err := newFileWatch()
	if err != nil {
		d.warn("watch", []string{fmt.Sprintf("files cannot be watched, so they are read by their schedule only, and the configuration by \"voipbl reload\": %v", err)})
	} else {
		d.warn("watch", nil)
	}
	d.files = files
	d.files.follow(d.cfg, d.opts.ConfigFile)
	if err != nil {
		return
	}
	// Nobody has told what has changed before, also while the agent started.
	d.agenda.drop(watchTask)
	d.agenda.set(reloadTask, now)
	d.pathsAt = time.Time{}
	if d.ready {
		d.applySoon("files", 0)
	}
}

// newFileWatch begins. On an error, such as there being too many watches on this host,
// what it returns watches nothing.
func newFileWatch() (*fileWatch, error) {
	w, err := fsnotify.NewWatcher()
	return &fileWatch{watcher: w, folders: make(map[string]bool)}, err
}

func (w *fileWatch) close() {
	if w.watcher != nil {
		w.watcher.Close()
	}
}

// channels are what is told; where nothing can be watched they are silent.
func (w *fileWatch) channels() (<-chan fsnotify.Event, <-chan error) {
	if w.watcher == nil {
		return nil, nil
	}
	return w.watcher.Events, w.watcher.Errors
}

// follow watches for what a configuration names, and no longer for what it does not.
// What cannot be watched is read by its schedule.
func (w *fileWatch) follow(cfg config.Config, configFile string) {
	w.files = map[string]fileKind{filepath.Join(cfg.StateDir, fetch.JournalName(bans.File)): fileBans}
	if path, err := filepath.Abs(configFile); err == nil && configFile != "" {
		w.files[path] = fileConfig
	}
	if cfg.Report.Enabled {
		w.files[filepath.Join(cfg.StateDir, exempt.OutboxFile+".json")] = fileReports
	}
	for _, f := range cfg.Feeds {
		if f.Path != "" {
			w.files[withoutWildcards(f.Path)] = fileFeed
		}
	}
	w.refresh()
}

// refresh watches folders that have come to be, and forgets those that are gone.
func (w *fileWatch) refresh() {
	if w.watcher == nil {
		return
	}
	// What was made below a folder before that was watched is not told about.
	for range maxRefresh {
		if !w.watchOnce() {
			return
		}
	}
}

// maxRefresh bounds how many folders, one in the other, are made meanwhile.
const maxRefresh = 32

// watchOnce does so, and reports whether there is something new to watch.
func (w *fileWatch) watchOnce() (more bool) {
	want := make(map[string]bool)
	for path, kind := range w.files {
		want[existing(filepath.Dir(path))] = true
		if info, err := os.Stat(path); kind == fileFeed && err == nil && info.IsDir() {
			want[path] = true
		}
	}
	for folder := range w.folders {
		if !want[folder] {
			w.watcher.Remove(folder)
			delete(w.folders, folder)
		}
	}
	// Adding a folder again does no harm, and is needed if it is a new one of
	// the same name.
	for folder := range want {
		if w.watcher.Add(folder) == nil {
			more = more || !w.folders[folder]
			w.folders[folder] = true
		}
	}
	return more
}

// kind is what an event is about.
func (w *fileWatch) kind(name string) fileKind {
	if kind, ok := w.files[name]; ok {
		return kind
	}
	for _, kind := range []fileKind{fileConfig, fileFeed, fileBans} {
		for path, is := range w.files {
			below := strings.HasPrefix(name, path+"/") && is == fileFeed
			if is == kind && (below || w.above(name, path)) {
				return kind
			}
		}
	}
	return fileNone
}

// above reports whether an event is about a folder on the way to a file: it may be on
// the way to others as well.
func (w *fileWatch) above(name, path string) bool { return strings.HasPrefix(path, name+"/") }

// aboveFeed reports whether it is on the way to a feed.
func (w *fileWatch) aboveFeed(name string) bool {
	for path, kind := range w.files {
		if kind == fileFeed && w.above(name, path) {
			return true
		}
	}
	return false
}

// withoutWildcards is the folder above the first wildcard of a pattern
// (filepath.Match), or the path itself.
func withoutWildcards(path string) string {
	if i := strings.IndexAny(path, `*?[\`); i >= 0 {
		return filepath.Dir(path[:i] + "x")
	}
	return path
}

// existing is the nearest folder at or above path that exists.
func existing(path string) string {
	for path != "/" && path != "." {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}
