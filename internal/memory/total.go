package memory

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Total returns how many bytes of memory this process may use at most: all memory of the
// host, or less by the limits of its control groups. Free memory would change all the time,
// and a list must not be accepted one hour and refused the next. root is the file system,
// with proc and sys in it.
func Total(root fs.FS) (uint64, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	total, err := parseTotal(text)
	if err != nil {
		return 0, err
	}
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return total, nil // a kernel without control groups
	}
	for file := range limitFiles(groups) {
		text, err := fs.ReadFile(root, file)
		if err != nil {
			continue // a group that is not visible here
		}
		// "max", and in version 1 an impossibly large number, mean no limit.
		if n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64); err == nil {
			total = min(total, n)
		}
	}
	return total, nil
}

// parseTotal reads MemTotal (proc_meminfo(5)), which is in KiB.
func parseTotal(meminfo []byte) (uint64, error) {
	for lines := bufio.NewScanner(bytes.NewReader(meminfo)); lines.Scan(); {
		rest, found := strings.CutPrefix(lines.Text(), "MemTotal:")
		if !found {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 54)
		if err != nil {
			return 0, fmt.Errorf("/proc/meminfo: %w", err)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("/proc/meminfo has no MemTotal")
}

// limitFiles yields the files with the limits of a process's control group and of those
// above it (cgroups(7)). groups is its /proc/self/cgroup.
func limitFiles(groups []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for line := range strings.Lines(string(groups)) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(parts) != 3 {
				continue
			}
			folder, file := "sys/fs/cgroup", "memory.max"
			switch {
			case parts[0] == "0" && parts[1] == "":
			case strings.Contains(","+parts[1]+",", ",memory,"):
				folder, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
			default:
				continue
			}
			for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
				if !yield(path.Join(folder, at, file)) {
					return
				}
				if at == "/" {
					break
				}
			}
		}
	}
}
