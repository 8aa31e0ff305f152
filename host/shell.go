package host

import "strings"

// shellCommands splits the text of a ban into simple commands and these into
// words, as far as is needed to see which program is given which arguments: quotes,
// backslashes, what separates commands, and the words around them such as "if" and
// "{". Nothing is expanded, and what stands in "$(…)" or backticks stays in its
// word. fail2ban's tags, "<ip>", stay too, although a shell would see redirections.
func shellCommands(text string) [][]string {
	var s shellSplitter
	for i := 0; i < len(text); {
		i += s.take(text[i:])
	}
	s.endCommand()
	return s.commands
}

type shellSplitter struct {
	commands [][]string
	words    []string
	word     strings.Builder
	started  bool // a word is open, be it an empty one in quotes
	quoted   bool // and something of it was quoted: no keyword, then
}

// take takes what is next, and returns how long that was.
func (s *shellSplitter) take(text string) int {
	switch c := text[0]; c {
	case '\\':
		if len(text) == 1 {
			return 1
		}
		if text[1] != '\n' { // a line that goes on
			s.add(text[1:2], true)
		}
		return 2
	case '\'':
		return s.until(text, 1, "'")
	case '"':
		return s.doubleQuoted(text)
	case '`':
		end := strings.IndexByte(text[1:], '`')
		if end < 0 {
			end = len(text) - 2
		}
		s.add(text[:end+2], true)
		return end + 2
	case '$':
		if strings.HasPrefix(text, "$(") {
			n := parenthesised(text[1:]) + 1
			s.add(text[:n], true)
			return n
		}
	case ' ', '\t', '\r':
		s.endWord()
		return 1
	case '\n', ';', '|', '&', '(', ')':
		// "2>&1" is no end, but what it is joined to does not matter.
		s.endCommand()
		return 1
	}
	s.add(text[:1], false)
	return 1
}

func (s *shellSplitter) add(text string, quoted bool) {
	s.word.WriteString(text)
	s.started = true
	s.quoted = s.quoted || quoted
}

// until takes text up to an end as it is.
func (s *shellSplitter) until(text string, from int, end string) int {
	n := strings.Index(text[from:], end)
	if n < 0 {
		s.add(text[from:], true)
		return len(text)
	}
	s.add(text[from:from+n], true)
	return from + n + len(end)
}

func (s *shellSplitter) doubleQuoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '"':
			s.add("", true)
			return i + 1
		case text[i] == '\\' && i+1 < len(text):
			i++
			s.add(text[i:i+1], true)
		default:
			s.add(text[i:i+1], true)
		}
	}
	s.add("", true)
	return len(text)
}

// parenthesised is how long "(…)" is.
func parenthesised(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// keywords stand before a command.
var keywords = map[string]bool{"if": true, "then": true, "else": true, "elif": true, "do": true, "while": true, "until": true, "{": true, "}": true, "!": true,
	"fi": true, "done": true, "time": true, "exec": true, "command": true, "sudo": true, "env": true, "nohup": true, "nice": true}

func (s *shellSplitter) endWord() {
	if !s.started {
		return
	}
	word := s.word.String()
	before := len(s.words) == 0 && !s.quoted && (keywords[word] || isAssignment(word))
	if !before {
		s.words = append(s.words, word)
	}
	s.word.Reset()
	s.started, s.quoted = false, false
}

func (s *shellSplitter) endCommand() {
	s.endWord()
	if len(s.words) > 0 {
		s.commands = append(s.commands, s.words)
	}
	s.words = nil
}

// isAssignment reports whether a word is "NAME=…".
func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	if !ok || name == "" {
		return false
	}
	for i, r := range name {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return true
}
