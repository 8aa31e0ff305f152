package voipblsh

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/probe"
)

// scriptName is what the published script is called.
const scriptName = "voipbl.sh"

// Line is what runs the published voipbl.sh: a line of a table of cron's or of a
// shell script, or a whole file, such as the script itself in /etc/cron.daily.
type Line struct {
	File string `json:"file"`
	Line int    `json:"line"` // 0: the whole file
	Text string `json:"text"`

	// Alone is a line that plainly does nothing but run the script, and so can be taken out; Shell
	// is one of a shell script, which may be all that stands between "then" and "fi".
	Alone bool `json:"-"`
	Shell bool `json:"-"`

	// NeverRan is that cron does not run the script by this line: it has a time field too
	// many, as the one that voipbl.org publishes.
	NeverRan bool `json:"-"`
}

// Where is the file and the line.
func (l Line) Where() string {
	if l.Line == 0 {
		return l.File
	}
	return fmt.Sprintf("%s line %d", l.File, l.Line)
}

// startsScripts are where cron and systemd find what they run.
var startsScripts = []struct {
	pattern string
	fields  int  // before the command, as "0 4 * * *" and a user are
	shell   bool // a program, which most likely is a shell script
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

// Lines finds what runs the published voipbl.sh, below a folder.
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

// linkTarget is the file behind a name, and whether that is another one.
func linkTarget(name string) (to string, isLink bool) {
	to = name
	if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSymlink != 0 {
		to, _ = os.Readlink(name)
		return to, true
	}
	return to, false
}

// isScript reports whether a file is the published script, under whatever name: it asks for
// the list, and puts it into the set or the chain.
func isScript(text string) bool {
	return strings.Contains(text, "voipbl.org/update") && (strings.Contains(text, "ipset ") || strings.Contains(text, "BLACKLIST-INPUT"))
}

// beginsWithTime is how a line of a table begins, but for one that sets a variable.
var beginsWithTime = regexp.MustCompile(`^[-*0-9~@]`)

var timeField = regexp.MustCompile(`^[*0-9][-*0-9,/]*$`)

// commandIn is the command that a line is to run, also where a sixth time field stands before
// it. By such a line cron takes "*" for the user and refuses the file, or in a user's own table
// for the command.
func commandIn(line string, fields int) (command string, neverRan bool) {
	if !beginsWithTime.MatchString(line) {
		return "", false
	}
	words := strings.Fields(line)
	if fields < 5 || len(words) < 6 || slices.ContainsFunc(words[:6], func(w string) bool { return !timeField.MatchString(w) }) {
		return commandOf(line, fields), false
	}
	if command = commandOf(line, 6); runsOnlyScript(command) { // no user
		return command, true
	}
	return commandOf(line, 7), true
}

// commandOf is a line without the fields before its command.
func commandOf(line string, fields int) string {
	if strings.HasPrefix(line, "@") && fields > 4 { // one word in place of five
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
