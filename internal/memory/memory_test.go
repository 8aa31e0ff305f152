package memory

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func TestEntries(t *testing.T) {
	const mb, gb = 1 << 20, 1 << 30
	for _, c := range []struct {
		bytes uint64
		want  int
	}{
		{0, Most}, // unknown
		{1, fewest},
		{64 * mb, fewest},
		{256 * mb, fewest},
		{384 * mb, fewest},
		{512 * mb, 230_000},
		{1 * gb, 460_000},
		{1*gb + mb, 460_000},
		{2 * gb, 920_000},
		{3 * gb, 1_380_000},
		{4 * gb, 1_850_000},
		{5 * gb, Most},
		{1 << 50, Most},
		{1<<64 - 1, Most},
	} {
		if got := Entries(c.bytes); got != c.want {
			t.Errorf("%d bytes: %d entries, want %d", c.bytes, got, c.want)
		}
		// One list never takes more than a fifth of the memory, except on very small
		// hosts.
		if got := uint64(Entries(c.bytes)) * perEntry; c.bytes >= 384*mb && got > c.bytes/5 {
			t.Errorf("%d bytes: a list takes %d", c.bytes, got)
		}
	}
}

func TestLimit(t *testing.T) {
	const mb = 1 << 20
	for entries, want := range map[int]int64{0: 64 * mb, 71_642: 64 * mb, 655_360: 64 * mb, 1 << 20: 88 * mb, 5 << 20: 344 * mb} {
		if got := limit(entries); got != want {
			t.Errorf("%d entries: %d MiB, want %d", entries, got/mb, want/mb)
		}
	}
}

func TestTotal(t *testing.T) {
	const meminfo = "MemTotal:        2048000 kB\nMemFree:          100 kB\n"
	const all = 2048000 << 10
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  uint64
	}{
		"a host":              {fstest.MapFS{"proc/meminfo": file(meminfo)}, all},
		"no limit":            {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n")}, all},
		"a limit of its own":  {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("268435456\n")}, 256 << 20},
		"a limit above":       {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/memory.max": file("1048576\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n")}, 1 << 20},
		"a container's":       {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("1048576\n")}, 1 << 20},
		"more than there is":  {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("99999999999999\n")}, all},
		"version 1":           {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("4:cpu,memory:/x\n1:name=systemd:/\n"), "sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("1048576\n")}, 1 << 20},
		"version 1, no limit": {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("4:memory:/x\n"), "sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("9223372036854771712\n")}, all},
		"no sense":            {fstest.MapFS{"proc/meminfo": file(meminfo), "proc/self/cgroup": file("x\n0::../..\n::\n")}, all},
	} {
		if got, err := Total(c.files); err != nil || got != c.want {
			t.Errorf("%s: %d, %v, want %d", name, got, err, c.want)
		}
	}
	for name, files := range map[string]fstest.MapFS{"none": {}, "empty": {"proc/meminfo": file("")}, "no number": {"proc/meminfo": file("MemTotal: much kB\n")}} {
		if got, err := Total(files); err == nil {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got, err := Total(os.DirFS("/")); err != nil || got < 1<<26 || got > 1<<50 {
		t.Errorf("this host: %d, %v", got, err)
	}
}

// TestForFeeds: a command that reads few lists gives no memory back, which costs time; one that
// reads many does, with a number of collections that suits theirs. None has a limit: with one that
// is too low, as for many short lists, the collector runs all the time.
func TestForFeeds(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
		many.Store(false)
	})
	var before, after runtime.MemStats
	for _, c := range []struct {
		feeds  int
		forced uint32
	}{
		{1, 0},
		{manyFeeds - 1, 0},
		{manyFeeds, 2},
		{4 * tidyEach, 6},
	} {
		read.Store(0)
		runtime.ReadMemStats(&before)
		ForFeeds(c.feeds)
		for range c.feeds {
			ListRead()
		}
		Settle(1000)
		runtime.ReadMemStats(&after)
		if forced := after.NumForcedGC - before.NumForcedGC; forced != c.forced {
			t.Errorf("%d lists: %d collections, want %d", c.feeds, forced, c.forced)
		}
		if now := debug.SetMemoryLimit(-1); now != limit {
			t.Errorf("%d lists: limit %d, not %d", c.feeds, now, limit)
		}
	}
}
