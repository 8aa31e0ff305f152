package state

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullWords: from the free blocks and files of a file system to words.
func TestFullWords(t *testing.T) {
	for _, c := range []struct {
		name string
		fs   unix.Statfs_t
		size int64 // of the largest file
		want string
	}{
		{"room for another", unix.Statfs_t{Frsize: 4096, Blocks: 100, Bfree: 3, Files: 9, Ffree: 1}, 8192, ""},
		{"none for its like", unix.Statfs_t{Frsize: 4096, Blocks: 100, Bfree: 2, Files: 9, Ffree: 1}, 8192, "8.0 KiB are free, and a new copy of mine.list needs 12 KiB"},
		{"nothing there yet", unix.Statfs_t{Frsize: 4096, Blocks: 100, Bfree: 1}, 0, ""},
		{"nothing left", unix.Statfs_t{Frsize: 4096, Blocks: 100}, 10, "0 B are free"},
		{"reserved for root", unix.Statfs_t{Frsize: 4096, Blocks: 100, Bfree: 5, Bavail: 0}, 10, ""},
		{"no inodes", unix.Statfs_t{Frsize: 4096, Blocks: 100, Bfree: 50, Files: 9}, 10, "it has no free inode"},
		{"inodes are not counted, as by btrfs", unix.Statfs_t{Frsize: 4096, Blocks: 100, Bfree: 50}, 10, ""},
		{"blocks are not counted, as by some of FUSE", unix.Statfs_t{Frsize: 4096}, 10, ""},
	} {
		if got := fullWords(c.fs, "mine.list", c.size); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
