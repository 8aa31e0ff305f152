package voipblsh

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/probe"
)

// scriptName is the name of the published script.
const scriptName = "voipbl.sh"

// Line is what runs the published voipbl.sh: a line of a crontab or shell script, or a whole file,
// such as the script itself in /etc/cron.daily.
type Line struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0: the whole file
	Text string `json:"text"`

	// Alone says that the line certainly does nothing but run the script, so it may be removed.
	// Shell says that it is in a shell script, where it may be the only command between "then" and
	// "fi".
	Alone bool `json:"-"`
	Shell bool `json:"-"`

	// NeverRan says that cron never runs the script by this line, because it has one time field too
	// many, like the line that voipbl.org publishes.
	NeverRan bool `json:"-"`
}

// Where returns the file and line.
func (l Line) Where() string {
	if l.Line == 0 {
		return l.File
	}
	return fmt.Sprintf("%s line %d", l.File, l.Line)
}

// startsScripts are where cron and systemd find the programs they start.
var startsScripts = []struct {
	pattern string
	fields  int  // before the command: for example "0 4 * * *" and a user
	shell   bool // a program, most likely a shell script
}{
	{"/etc/crontab", 6, false},
	{"/etc/cron.d/*", 6, false},
	{"/var/spool/cron/crontabs/*", 5, false},
	{"/var/spool/cron/*", 5, false},
	{"/etc/anacrontab", 3, false},
	{"/etc/cron.hourly/*", 0, true},
	{"/etc/cron.daily/*", 0, true},
	{"/etc/cron.weekly/*", 0, true},
	{"/etc/cron.monthly/*", 0, true},
	{"/etc/rc.local", 0, true},
	{"/etc/systemd/system/*.service", -1, false},
}

// Lines finds, below a root folder, what runs the published voipbl.sh.
func Lines(root string) []Line {
	found := []Line{}
	for _, at := range startsScripts {
		names, _ := filepath.Glob(filepath.Join(root, at.pattern))
		for _, name := range names {
			text, err := probe.ReadFile(name)
			if err != nil {
				continue
			}
			file := probe.ShownBelow(root, name)
			to, isLink := linkTarget(name)
			if at.shell && (filepath.Base(to) == scriptName || isScript(text)) {
				found = append(found, Line{File: file, Text: "the script itself"})
				continue
			}
			var inShell map[int]bool
			if at.shell {
				inShell = linesOfScript(text)
			}
			for i, line := range strings.Split(text, "\n") {
				line = strings.TrimSpace(line)
				if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ": #") || !strings.Contains(line, scriptName) {
					continue
				}
				l := Line{File: file, Line: i + 1, Text: line, Shell: at.shell, Alone: inShell[i+1]}
				if at.fields > 0 {
					var command string
					command, l.NeverRan = commandIn(line, at.fields)
					l.Alone = runsOnlyScript(command)
				}
				l.Alone = l.Alone && !isLink
				found = append(found, l)
			}
		}
	}
	return found
}

// linkTarget returns the file that a name refers to, and whether that is a different one.
func linkTarget(name string) (to string, isLink bool) {
	to = name
	if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSymlink != 0 {
		to, _ = os.Readlink(name)
		return to, true
	}
	return to, false
}

// isScript reports whether a file is the published script under any name: it fetches the list and
// puts it into the set or the chain.
func isScript(text string) bool {
	return strings.Contains(text, "voipbl.org/update") && (strings.Contains(text, "ipset ") || strings.Contains(text, "BLACKLIST-INPUT"))
}

// beginsWithTime matches the beginning of a crontab line, unless it sets a variable.
var beginsWithTime = lazyregexp.New(`^[-*0-9~@]`)

var timeField = lazyregexp.New(`^[*0-9][-*0-9,/]*$`)

// commandIn returns the command of a line, even after a sixth time field. In such a line cron reads
// the last "*" as the user, and refuses the file; in a user's own crontab it reads it as the
// command.
func commandIn(line string, fields int) (command string, neverRan bool) {
	if !beginsWithTime().MatchString(line) {
		return "", false
	}
	words := strings.Fields(line)
	if fields < 5 || len(words) < 6 || slices.ContainsFunc(words[:6], func(w string) bool { return !timeField().MatchString(w) }) {
		return commandOf(line, fields), false
	}
	if command = commandOf(line, 6); runsOnlyScript(command) { // no user field
		return command, true
	}
	return commandOf(line, 7), true
}

// commandOf returns a line without the fields before its command.
func commandOf(line string, fields int) string {
	if strings.HasPrefix(line, "@") && fields > 4 { // one word instead of five
		fields -= 4
	}
	for ; fields > 0; fields-- {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i := strings.IndexAny(strings.TrimSpace(line), " \t"); i >= 0 {
			rest = strings.TrimSpace(line)[i:]
		}
		line = strings.TrimSpace(rest)
	}
	return line
}
