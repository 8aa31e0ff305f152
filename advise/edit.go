package advise

import (
	"strings"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

// setupMark begins the comments in which setup says why it chose a value.
const setupMark = "# setup: "

// setKey sets the value at a path of keys in the text of a configuration, with a comment above it
// that says why. Everything else stays as it is, comments too. It understands keys with indented
// values below them. It returns false if the text has another form there, or nothing of the
// path.
func setKey(text string, path []string, value, why string) (string, bool) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	first, end, indent := 0, len(lines), 0
	for depth, key := range path {
		at := find(lines[first:end], indent, key)
		if depth == len(path)-1 {
			line := strings.Repeat(" ", indent) + key + ":" + blank(value) + value
			return strings.Join(put(lines, first, end, indent, at, line, why), "\n") + "\n", true
		}
		if at < 0 && depth == 0 {
			return setNew(text, path, value, why)
		}
		if at < 0 || !isParent().MatchString(lines[first+at]) {
			return text, false
		}
		first += at + 1
		end = first + blockEnd(lines[first:end], indent)
		var ok bool
		if indent, ok = childIndent(lines[first:end], indent); !ok {
			return text, false
		}
	}
	return text, false
}

// addItems adds items at the end of a list with one item on each line, so that comments stay. It
// returns false for a list of another form, or an empty one.
func addItems(text string, path []string, items []string, why string) (string, bool) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	first, end, indent := 0, len(lines), 0
	for depth, key := range path {
		at := find(lines[first:end], indent, key)
		if at < 0 || !isParent().MatchString(lines[first+at]) {
			return text, false
		}
		first += at + 1
		end = first + blockEnd(lines[first:end], indent)
		if depth == len(path)-1 {
			break
		}
		var ok bool
		if indent, ok = childIndent(lines[first:end], indent); !ok {
			return text, false
		}
	}
	if first == end || !strings.HasPrefix(strings.TrimSpace(lines[end-1]), "- ") {
		return text, false
	}
	pad := strings.Repeat(" ", indentOf(lines[end-1]))
	added := []string{pad + setupMark + why}
	for _, item := range items {
		added = append(added, pad+"- "+item)
	}
	return strings.Join(splice(lines, end, end, added...), "\n") + "\n", true
}

// blank is the space between a key and a value on the same line.
func blank(value string) string {
	if strings.HasPrefix(value, "\n") {
		return ""
	}
	return " "
}

// isParent matches a key whose value is on the lines below it.
var isParent = lazyregexp.New(`^ *[a-z0-9_]+:[ \t]*(#.*)?$`)

// setNew appends a key with its parents.
func setNew(text string, path []string, value, why string) (string, bool) {
	var b strings.Builder
	b.WriteString(text)
	if text != "" && !strings.HasSuffix(text, "\n") {
		b.WriteString("\n")
	}
	for depth, key := range path {
		pad := strings.Repeat("  ", depth)
		if depth == len(path)-1 {
			b.WriteString(pad + setupMark + why + "\n" + pad + key + ":" + blank(value) + value + "\n")
		} else {
			b.WriteString(pad + key + ":\n")
		}
	}
	return b.String(), true
}

// find returns the index of the line of a key at an indentation, or -1.
func find(lines []string, indent int, key string) int {
	begin := strings.Repeat(" ", indent) + key + ":"
	for i, l := range lines {
		if rest, found := strings.CutPrefix(l, begin); found && (rest == "" || rest[0] == ' ' || rest[0] == '\t') {
			return i
		}
	}
	return -1
}

// says reports whether a line has more than a comment.
func says(line string) bool {
	t := strings.TrimSpace(line)
	return t != "" && t[0] != '#'
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// blockEnd returns how many lines belong to the value of a key at an indentation. A list may be
// indented no further than its key.
func blockEnd(lines []string, indent int) int {
	end := 0
	for i, l := range lines {
		if !says(l) {
			continue
		}
		if at := indentOf(l); at < indent || at == indent && !strings.HasPrefix(strings.TrimSpace(l), "- ") {
			break
		}
		end = i + 1
	}
	return end
}

// childIndent returns the indentation of the first key of a block.
func childIndent(lines []string, parent int) (int, bool) {
	for _, l := range lines {
		if says(l) {
			return indentOf(l), indentOf(l) > parent
		}
	}
	return 0, false
}

// put replaces the key in line first+at and its value, or adds it at the end of the block if at
// is negative.
func put(lines []string, first, end, indent, at int, line, why string) []string {
	comment := strings.Repeat(" ", indent) + setupMark + why
	if at < 0 {
		return splice(lines, end, end, comment, line)
	}
	from := first + at
	if m := tail().FindStringSubmatch(lines[from]); m != nil {
		line += m[1]
	}
	to := from + 1 + blockEnd(lines[from+1:end], indent)
	if from > 0 && strings.HasPrefix(strings.TrimSpace(lines[from-1]), setupMark) {
		from--
	}
	return splice(lines, from, to, comment, line)
}

// tail matches the comment behind an unquoted value.
var tail = lazyregexp.New(`^[^"'#]*?( +#.*)$`)

func splice(lines []string, from, to int, with ...string) []string {
	out := append([]string{}, lines[:from]...)
	return append(append(out, with...), lines[to:]...)
}

// sshEntry matches a service named ssh on its own line, and the parts before and after its ports.
var sshEntry = lazyregexp.New(`(?m)^( *- *\{ *name: *"?ssh"?, *proto: *"?tcp"?, *ports: *)("[^"]*"|[0-9]+)(.*)$`)

// setSSH changes the ports of the service ssh, if it is on its own line.
func setSSH(text, ports, why string) (string, bool) {
	at := sshEntry().FindStringSubmatchIndex(text)
	if at == nil || len(sshEntry().FindAllString(text, 2)) != 1 {
		return text, false
	}
	pad := strings.Repeat(" ", indentOf(text[at[0]:]))
	before := text[:at[0]]
	if lines := strings.Split(strings.TrimSuffix(before, "\n"), "\n"); strings.HasPrefix(strings.TrimSpace(lines[len(lines)-1]), setupMark) {
		before = strings.Join(lines[:len(lines)-1], "\n") + "\n"
	}
	return before + pad + setupMark + why + "\n" + text[at[2]:at[3]] + `"` + ports + `"` + text[at[6]:], true
}
