package asterisk

import "strings"

// comments strips comments from lines: everything after a ";" without a backslash before it, and
// everything between ";--" and "--;", which may nest and span lines. ";---" starts an ordinary
// comment (main/config.c).
type comments struct {
	depth int
	begun int // line where the outermost open comment began, from 1
	lines int
}

// since returns the line where the open comment began, or otherwise if none is open.
func (c *comments) since(otherwise int) int {
	if c.depth == 0 {
		return otherwise
	}
	return c.begun
}

// strip returns a line without its comments.
func (c *comments) strip(line string) string {
	c.lines++
	if c.depth == 0 && !strings.Contains(line, ";") {
		return line
	}
	var kept strings.Builder
	keep := func(s string) {
		if c.depth == 0 {
			kept.WriteString(s)
		}
	}
	for from := 0; ; {
		i := strings.IndexByte(line[from:], ';')
		if i < 0 {
			keep(line[from:])
			return kept.String()
		}
		i += from
		switch rest := line[i:]; {
		case i > 0 && line[i-1] == '\\' && i > from:
			keep(line[from:i-1] + ";")
			from = i + 1
		case strings.HasPrefix(rest, ";--") && !strings.HasPrefix(rest, ";---"):
			keep(line[from:i])
			if c.depth++; c.depth == 1 {
				c.begun = c.lines
			}
			from = i + 3
		case c.depth > 0 && i >= from+2 && line[i-2:i] == "--":
			c.depth--
			from = i + 1
		case c.depth > 0:
			from = i + 1
		default:
			keep(line[from:i])
			return kept.String()
		}
	}
}
