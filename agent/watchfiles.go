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

// fileWatch reports changes of the files that matter to the agent. inotify(7) watches their
// folders. If a folder does not exist yet, the nearest one above it is watched until it does.
type fileWatch struct {
	watcher *fsnotify.Watcher   // nil if nothing can be watched
	files   map[string]fileKind // the files that matter
	folders map[string]bool     // the folders that are watched
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

// watchEvery is how often watching is tried again after it failed.
const watchEvery = time.Minute

// watchFiles begins to watch files, unless it does already.
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
	// Changes before this moment, as while the agent started, were not reported.
	d.agenda.drop(watchTask)
	d.agenda.set(reloadTask, now)
	d.pathsAt = time.Time{}
	if d.ready {
		d.applySoon("files", 0)
	}
}

// newFileWatch begins to watch. On an error, as when this host has too many watches, it returns
// a fileWatch that watches nothing.
func newFileWatch() (*fileWatch, error) {
	w, err := fsnotify.NewWatcher()
	return &fileWatch{watcher: w, folders: make(map[string]bool)}, err
}

func (w *fileWatch) close() {
	if w.watcher != nil {
		w.watcher.Close()
	}
}

// channels returns the channels of events and errors; nil ones if nothing can be watched.
func (w *fileWatch) channels() (<-chan fsnotify.Event, <-chan error) {
	if w.watcher == nil {
		return nil, nil
	}
	return w.watcher.Events, w.watcher.Errors
}

// follow watches the files that a configuration names, and stops watching others. What cannot be
// watched is read by its schedule.
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

// refresh watches folders that are new, and forgets those that are gone.
func (w *fileWatch) refresh() {
	if w.watcher == nil {
		return
	}
	// There are no events for what was created in a folder before it was watched.
	for range maxRefresh {
		if !w.watchOnce() {
			return
		}
	}
}

// maxRefresh is how many nested folders may be created meanwhile.
const maxRefresh = 32

// watchOnce is one pass of refresh. It reports whether there is something new to watch.
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
	// Adding a folder again does no harm, and is needed if it is a new one with the same name.
	for folder := range want {
		if w.watcher.Add(folder) == nil {
			more = more || !w.folders[folder]
			w.folders[folder] = true
		}
	}
	return more
}

// kind returns what an event is about.
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

// above reports whether an event is about a folder above a file. Other files may be below it
// too.
func (w *fileWatch) above(name, path string) bool { return strings.HasPrefix(path, name+"/") }

// aboveFeed reports whether an event is about a folder above a feed.
func (w *fileWatch) aboveFeed(name string) bool {
	for path, kind := range w.files {
		if kind == fileFeed && w.above(name, path) {
			return true
		}
	}
	return false
}

// withoutWildcards returns the folder above the first wildcard of a pattern (filepath.Match), or
// the path itself if it has none.
func withoutWildcards(path string) string {
	if i := strings.IndexAny(path, `*?[\`); i >= 0 {
		return filepath.Dir(path[:i] + "x")
	}
	return path
}

// existing returns the nearest existing folder at or above path.
func existing(path string) string {
	for path != "/" && path != "." {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}
