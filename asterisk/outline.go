package asterisk

import "strings"

// Outline is what who adds lines to the end of a text must know of it.
type Outline struct {
	Sections []string // those of the text itself that Asterisk finds: no templates, and not what it includes
	Comment  int      // the line where a comment begins that does not end; 0 if there is none
}

// OutlineOf reads a configuration file as Asterisk reads it.
func OutlineOf(text string) (o Outline) {
	nothing := func(string) ([]source, error) { return nil, nil }
	for _, s := range parseAsterisk(source{text: text}, nothing, false).sections {
		if !s.template {
			o.Sections = append(o.Sections, s.name)
		}
	}
	var c comments
	for line := range strings.Lines(text) {
		c.strip(line)
	}
	o.Comment = c.since(0)
	return o
}
