package asterisk

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/voipbl/voipbl/internal/probe"
)

// Account is whom Asterisk runs as. It must be able to read its files.
type Account struct {
	UID     int
	GIDs    []int // the first is that of its user
	Running bool  // it is that of the running Asterisk; otherwise it is what the files let expect
}

// AccountOf finds out whom Asterisk runs as: by the running one; else by runuser in asterisk.conf, or the
// user "asterisk" of Debian and FreePBX, if there is such a user; else by the owner of its folder.
func AccountOf(l *probe.Look) Account {
	r := &astReader{Look: l}
	main := r.astConfig("asterisk.conf")
	if l.Real() {
		dir := cmp.Or(main.section("directories").get("astrundir"), "/run/asterisk")
		if a, ok := running(l, filepath.Join(dir, "asterisk.pid")); ok {
			return a
		}
	}
	if a, ok := inPasswd(l, cmp.Or(main.section("options").get("runuser"), "asterisk")); ok {
		return a
	}
	var a Account
	if info, err := os.Stat(l.Path(Folder)); err == nil {
		sys := info.Sys().(*syscall.Stat_t)
		a = Account{UID: int(sys.Uid), GIDs: []int{int(sys.Gid)}}
	}
	return a
}

// running asks the process that a file of Asterisk's names: any user can start a program of the name
// asterisk, but only root and Asterisk's user can write that file.
func running(l *probe.Look, file string) (Account, bool) {
	text, err := l.Read(file)
	if err != nil {
		return Account{}, false
	}
	info, err := os.Lstat(l.Path(file))
	if err != nil {
		return Account{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	i := slices.IndexFunc(l.Processes, func(p probe.Process) bool { return p.PID == pid && p.Runs("asterisk") })
	if err != nil || i < 0 {
		return Account{}, false
	}
	status, err := l.Read(l.Processes[i].Path("status"))
	a := parseStatus(status)
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	return a, err == nil && a.Running && (owner == 0 || owner == a.UID)
}

// parseStatus reads /proc/PID/status. The owner of the folder there is root for a process that has
// changed its user.
func parseStatus(text string) (a Account) {
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		var ids []int
		for _, f := range strings.Fields(rest) {
			n, err := strconv.Atoi(f)
			if err != nil {
				break
			}
			ids = append(ids, n)
		}
		switch {
		case name == "Uid" && len(ids) == 4: // real, effective, saved, of files
			a.UID, a.Running = ids[1], true
		case name == "Gid" && len(ids) == 4:
			a.GIDs = append([]int{ids[1]}, a.GIDs...)
		case name == "Groups":
			a.GIDs = append(a.GIDs, ids...)
		}
	}
	a.Running = a.Running && len(a.GIDs) > 0
	return a
}

// inPasswd looks a user up in the machine's own file: its numbers may be others than here.
func inPasswd(l *probe.Look, name string) (Account, bool) {
	text, err := l.Read("/etc/passwd")
	if err != nil {
		return Account{}, false
	}
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[0] != name {
			continue
		}
		uid, err := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		return Account{UID: uid, GIDs: []int{gid}}, err == nil && err2 == nil
	}
	return Account{}, false
}
