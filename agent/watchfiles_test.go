package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
)

// inotifyWait is the longest wait for an event, which normally takes milliseconds.
const inotifyWait = 5 * time.Second

// folders are real folders, and an agent that watches them. The agent has only the parts that
// handle events of files.
type folders struct {
	t   *testing.T
	top string
	d   *daemon
}

// watchFolders watches what a configuration names; %s in it is the test's folder.
func watchFolders(t *testing.T, yaml string, made ...string) *folders {
	t.Helper()
	f := &folders{t: t, top: t.TempDir()}
	for _, dir := range append(made, "state") {
		f.mkdir(dir)
	}
	files, err := newFileWatch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(files.close)
	f.d = &daemon{cfg: f.config(yaml), files: files, log: slog.New(slog.DiscardHandler)}
	files.follow(f.d.cfg, f.path("etc/voipbl.yaml"))
	return f
}

func (f *folders) config(yaml string) config.Config {
	f.t.Helper()
	return testvalue.Config(f.t, fmt.Sprintf("state_dir: %s/state\nrun_dir: %[1]s/run\n", f.top)+fmt.Sprintf(yaml, f.top))
}

func (f *folders) path(name string) string { return filepath.Join(f.top, name) }

func (f *folders) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *folders) mkdir(name string)  { f.t.Helper(); f.check(os.MkdirAll(f.path(name), 0o750)) }
func (f *folders) remove(name string) { f.t.Helper(); f.check(os.RemoveAll(f.path(name))) }
func (f *folders) rename(old, name string) {
	f.t.Helper()
	f.check(os.Rename(f.path(old), f.path(name)))
}

// edit writes a file in place.
func (f *folders) edit(name string) {
	f.t.Helper()
	file, err := os.OpenFile(f.path(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	f.check(err)
	_, err = file.WriteString("8.8.8.8\n")
	f.check(err)
	f.check(file.Close())
}

// replace writes a new file and renames it over the old one, as editors do.
func (f *folders) replace(name string) {
	f.t.Helper()
	f.edit("new")
	f.rename("new", name)
}

// next returns the next event that matters, after the agent has handled it.
func (f *folders) next() (event fsnotify.Event, kind fileKind, ok bool) {
	f.t.Helper()
	over := time.After(inotifyWait)
	for {
		select {
		case event := <-f.d.files.watcher.Events:
			f.d.fileChanged(event)
			if kind := f.d.files.kind(event.Name); kind != fileNone {
				return event, kind, true
			}
		case err := <-f.d.files.watcher.Errors:
			f.t.Fatal(err)
		case <-over:
			return event, fileNone, false
		}
	}
}

// want waits for an event about a file.
func (f *folders) want(kind fileKind, name string) {
	f.t.Helper()
	for {
		event, got, ok := f.next()
		if !ok {
			f.t.Fatalf("nothing is heard of %s; watched are %v", name, f.d.files.watcher.WatchList())
		}
		if event.Name == f.path(name) {
			if got != kind {
				f.t.Fatalf("%v is about %q, not %q", event, got, kind)
			}
			return
		}
	}
}

// wantWatched waits until a folder is watched. There may be no event for a folder that is created
// while the agent looks anyway.
func (f *folders) wantWatched(dir string) {
	f.t.Helper()
	for !f.d.files.folders[f.path(dir)] {
		if _, _, ok := f.next(); !ok {
			f.t.Fatalf("%s is not watched; watched are %v", f.path(dir), f.d.files.watcher.WatchList())
		}
	}
}

// settled handles all pending events: it edits the configuration file and waits for that event,
// since events come in order.
func (f *folders) settled() {
	f.t.Helper()
	f.edit("etc/voipbl.yaml")
	f.want(fileConfig, "etc/voipbl.yaml")
}

const watched = `feeds:
- {name: file, path: %[1]s/lists/mine.txt}
- {name: folder, path: %[1]s/etc/blocklist.d}
- {name: glob, path: "%[1]s/glob/*.txt"}
`

func TestFileWatch(t *testing.T) {
	f := watchFolders(t, watched, "etc/blocklist.d", "lists", "glob")
	for _, c := range []struct {
		name string
		kind fileKind
	}{
		{"etc/voipbl.yaml", fileConfig},
		{"state/bans.journal", fileBans},
		{"lists/mine.txt", fileFeed},
		{"etc/blocklist.d/one.txt", fileFeed},
		{"glob/one.txt", fileFeed},
	} {
		for _, change := range []func(string){f.edit, f.edit, f.replace, f.remove, f.replace} {
			change(c.name)
			f.want(c.kind, c.name)
			f.settled()
		}
	}
}

// TestFileWatchTellsTheAgent: each kind of file has its effect.
func TestFileWatchTellsTheAgent(t *testing.T) {
	f := watchFolders(t, watched, "etc/blocklist.d", "lists", "glob")
	f.edit("etc/blocklist.d/one.txt")
	f.want(fileFeed, "etc/blocklist.d/one.txt")
	if f.d.agenda[applyTask].IsZero() || !f.d.agenda[reloadTask].IsZero() {
		t.Errorf("a feed: applied at %v, reloaded at %v", f.d.agenda[applyTask], f.d.agenda[reloadTask])
	}
	f.d.agenda.drop(applyTask)
	f.edit("etc/voipbl.yaml")
	f.want(fileConfig, "etc/voipbl.yaml")
	if f.d.agenda[reloadTask].IsZero() {
		t.Error("the configuration is not reloaded")
	}
	store, err := fetch.OpenStore(f.path("state"))
	f.check(err)
	defer store.Close()
	_, err = store.AppendJournal(bans.File, []byte("\n"))
	f.check(err)
	f.d.agenda.set(bansTask, time.Now().Add(time.Hour))
	f.want(fileBans, "state/bans.journal")
	if time.Until(f.d.agenda[bansTask]) > bansSettle {
		t.Error("the bans are not looked at")
	}
}

// TestChangedBeforeTheWatch: a file that changed after it was read but before it was watched is
// read again. A known mistake is not logged a second time.
func TestChangedBeforeTheWatch(t *testing.T) {
	f := &folders{t: t, top: t.TempDir()}
	f.mkdir("etc")
	f.mkdir("lists")
	var told strings.Builder
	old, now := f.config("feeds: [{name: a, path: %s/lists/mine.txt}]\n"), error(nil)
	d := &daemon{
		cfg: old, files: &fileWatch{}, log: slog.New(slog.NewTextHandler(&told, nil)), pathsAt: time.Now(),
		opts: RunOptions{ConfigFile: f.path("etc/voipbl.yaml"), Load: func() (config.Config, error) { return old, now }},
	}
	d.watchFiles(t.Context(), time.Now())
	t.Cleanup(d.files.close)
	if !d.agenda.due(reloadTask, time.Now()) || !d.pathsDue(time.Now()) {
		t.Errorf("the configuration is read again at %v; local lists are: %v", d.agenda[reloadTask], d.pathsDue(time.Now()))
	}
	d.reloadChanged(t.Context(), time.Now())
	if told.Len() > 0 {
		t.Errorf("it is as it was, and this is told: %s", told.String())
	}
	for i, text := range []string{"one mistake", "one mistake", "another mistake"} {
		now = errors.New(text)
		d.reloadChanged(t.Context(), time.Now())
		if got, want := strings.Count(told.String(), "refused"), []int{1, 1, 2}[i]; got != want {
			t.Errorf("%s: told %d times, want %d: %s", text, got, want, told.String())
		}
	}
}

func TestUnrelatedFiles(t *testing.T) {
	f := watchFolders(t, watched, "etc/blocklist.d", "lists", "glob")
	for _, name := range []string{"etc/voipbl.yaml.swp", "etc/other.yaml", "lists/mine.txt~", "lists/theirs.txt", "state/file.state", "state/names.json", "other"} {
		f.edit(name)
		f.replace(name)
		f.remove(name)
	}
	f.mkdir("etc/other.d")
	f.edit("etc/other.d/one.txt")
	f.edit("etc/voipbl.yaml")
	event, kind, ok := f.next()
	if !ok || event.Name != f.path("etc/voipbl.yaml") || kind != fileConfig {
		t.Errorf("%v is taken for %q", event, kind)
	}
	for name, want := range map[string]fileKind{
		"etc/voipbl.yaml": fileConfig, "state/bans.journal": fileBans, "lists/mine.txt": fileFeed, "etc/blocklist.d": fileFeed,
		"etc/blocklist.d/a/b": fileFeed, "glob/one.txt": fileFeed, "glob": fileFeed, "lists": fileFeed, "state": fileBans,
		"etc/blocklist": fileNone, "etc/blocklist.d2": fileNone, "list": fileNone, "etc/voipbl": fileNone,
		"etc/voipbl.yaml/x": fileNone, "state/bans.journal.tmp": fileNone, "stat": fileNone,
	} {
		if got := f.d.files.kind(f.path(name)); got != want {
			t.Errorf("%s is taken for %q, not %q", name, got, want)
		}
	}
}

// TestFolderThatComes: a feed's folder, and those above it, are created later.
func TestFolderThatComes(t *testing.T) {
	for _, c := range []struct{ name, feed, file, first, more string }{
		{"file", "lists/mine.txt", "lists/mine.txt", "lists", ""},
		{"folder", "lists", "lists/one.txt", "lists", ""},
		{"glob", "lists/*.txt", "lists/one.txt", "lists", ""},
		{"file two levels deep", "a/lists/mine.txt", "a/lists/mine.txt", "a", "a/lists"},
		{"folder two levels deep", "a/lists", "a/lists/one.txt", "a", "a/lists"},
		{"glob two levels deep", "a/lists/*.txt", "a/lists/one.txt", "a", "a/lists"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := watchFolders(t, "feeds: [{name: a, optional: true, path: \"%s/"+c.feed+"\"}]\n", "etc")
			for range 3 { // it also goes and comes again
				f.mkdir(c.first)
				f.wantWatched(c.first)
				if c.more != "" {
					f.mkdir(c.more)
					f.wantWatched(c.more)
				}
				f.edit(c.file)
				f.want(fileFeed, c.file)
				f.settled()
				f.replace(c.file)
				f.want(fileFeed, c.file)
				f.settled()
				f.remove(c.first)
				f.want(fileFeed, c.file)
				f.wantWatched("")
			}
		})
	}
}

// TestFolderMadeAnewAtOnce: a folder is removed and created again before the agent has read the
// events.
func TestFolderMadeAnewAtOnce(t *testing.T) {
	f := watchFolders(t, watched, "etc/blocklist.d", "lists", "glob")
	for range 20 {
		for _, dir := range []string{"lists", "etc/blocklist.d", "glob"} {
			f.remove(dir)
			f.mkdir(dir)
		}
		f.settled()
		for _, name := range []string{"lists/mine.txt", "etc/blocklist.d/one.txt", "glob/one.txt"} {
			f.edit(name)
			f.want(fileFeed, name)
		}
	}
}

// TestFolderExchanged: a folder is moved away, and another takes its place.
func TestFolderExchanged(t *testing.T) {
	f := watchFolders(t, watched, "etc/blocklist.d", "lists", "glob")
	f.mkdir("other")
	f.rename("lists", "old")
	f.rename("other", "lists")
	f.want(fileFeed, "lists")
	f.settled()
	f.edit("old/mine.txt") // is nothing to us any more
	f.edit("lists/mine.txt")
	f.want(fileFeed, "lists/mine.txt")
}

// TestStateFolderMadeAnew: bans are still noticed after the state folder is created again.
func TestStateFolderMadeAnew(t *testing.T) {
	f := watchFolders(t, watched, "etc/blocklist.d", "lists", "glob")
	f.remove("state")
	f.want(fileBans, "state")
	f.mkdir("state")
	f.wantWatched("state")
	f.edit("state/bans.journal")
	f.want(fileBans, "state/bans.journal")
}

// TestConfigFolderThatComes: the configuration file's folder is removed and created again.
func TestConfigFolderThatComes(t *testing.T) {
	f := watchFolders(t, "feeds: [{name: a, path: %s/lists/mine.txt}]\n", "lists", "etc")
	f.remove("etc")
	f.want(fileConfig, "etc")
	f.mkdir("etc")
	f.want(fileConfig, "etc")
	f.edit("etc/voipbl.yaml")
	f.want(fileConfig, "etc/voipbl.yaml")
}

// TestFoldersMadeBesideUs: while the agent begins to watch a folder, the next one is created in
// it. None may be missed.
func TestFoldersMadeBesideUs(t *testing.T) {
	const rounds = 300
	f := watchFolders(t, "feeds: [{name: a, path: %s/a/b/c/d/e/mine.txt}]\n", "etc")
	deep := "a/b/c/d/e"
	for range rounds {
		var making sync.WaitGroup
		making.Go(func() {
			for i := 1; i <= len(deep); i += 2 { // one after the other, as mkdir -p does
				os.Mkdir(f.path(deep[:i]), 0o750)
			}
		})
		f.wantWatched(deep)
		making.Wait()
		f.remove("a")
		f.wantWatched("")
	}
}

// TestFollow: another configuration names other files.
func TestFollow(t *testing.T) {
	f := watchFolders(t, watched, "etc/blocklist.d", "lists", "glob", "other")
	f.d.files.follow(f.config("feeds: [{name: other, path: %s/other/mine.txt}]\n"), f.path("etc/voipbl.yaml"))
	f.edit("lists/mine.txt")
	f.edit("etc/blocklist.d/one.txt")
	f.edit("other/mine.txt")
	event, kind, ok := f.next()
	if !ok || event.Name != f.path("other/mine.txt") || kind != fileFeed {
		t.Errorf("%v is taken for %q", event, kind)
	}
	for _, dir := range f.d.files.watcher.WatchList() {
		if dir != f.path("other") && dir != f.path("etc") && dir != f.path("state") {
			t.Errorf("%s is still watched", dir)
		}
	}
}

// TestKindOfAFolderAboveTwo: an event of a folder above two kinds of files is always reported as
// the same one of them.
func TestKindOfAFolderAboveTwo(t *testing.T) {
	f := watchFolders(t, watched, "etc/blocklist.d", "lists", "glob")
	first := f.d.files.kind(f.path("etc"))
	if first == fileNone {
		t.Error("it is told nothing")
	}
	for range 100 {
		if again := f.d.files.kind(f.path("etc")); again != first {
			t.Fatalf("it is %q, and then %q", first, again)
		}
	}
}

func TestWithoutWildcards(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b.txt":   "/a/b.txt",
		"/a/*.txt":   "/a",
		"/a/b*.txt":  "/a",
		"/a/b?/c":    "/a",
		"/a/[bc]/d":  "/a",
		`/a/b\*/c`:   "/a",
		"/*":         "/",
		"/*/b":       "/",
		"/a/b/*/c*d": "/a/b",
	} {
		if got := withoutWildcards(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestExisting(t *testing.T) {
	f := watchFolders(t, watched, "etc")
	f.edit("file")
	for name, want := range map[string]string{"etc": "etc", "etc/a/b": "etc", "a/b/c": "", "file": "", "file/a": ""} {
		if got := existing(f.path(name)); got != f.path(want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := existing("/"); got != "/" {
		t.Errorf("/: %s", got)
	}
}
