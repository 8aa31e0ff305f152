package asterisk

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/probe"
)

// astConfig is a configuration file of Asterisk and all that it includes, read as Asterisk reads it
// (main/config.c).
type astConfig struct {
	sections []*astSection // in the order of the files, templates among them
	problems []astProblem  // lines and files that were skipped
	includes []astInclude
}

// astInclude is an included file, by the name in the include.
type astInclude struct{ section, name string }

// astSection is a "[name]" and its variables, inherited ones first. Several sections may have the
// same name.
type astSection struct {
	name     string
	template bool // for others to inherit from only
	vars     []astVar
}

type astVar struct{ name, value string }

// Limits for one configuration: a few templates that inherit one another twice would fill any
// memory. FreePBX writes about 60 variables for an extension, in three sections.
const (
	maxIncludeDepth = 10   // MAX_INCLUDE_LEVEL of main/config.c
	maxAstFiles     = 1000 // FreePBX has about 10 for one
	maxAstBytes     = 64 << 20
	maxAstVars      = 500_000
	maxAstValue     = 64 << 10 // Asterisk's lines end at 8 KiB, but "+=" continues them
	maxAstProblems  = 20       // more would only repeat the same
)

// source is a file that matches a name or pattern.
type source struct{ name, text string }

// opener finds the files of an include. It returns an error if there are none.
type opener func(pattern string) ([]source, error)

// parseAsterisk reads a configuration. It never fails: a line for which Asterisk would refuse the
// whole file goes into problems, and the other lines still count. exec says that Asterisk runs
// "#exec" lines.
func parseAsterisk(main source, open opener, exec bool) *astConfig {
	p := astParser{open: open, exec: exec}
	p.file(main, nil, 1)
	return &p.config
}

type astParser struct {
	config             astConfig
	open               opener
	exec               bool
	reading            []string // files being read, each included by the one before
	files, bytes, vars int
}

// skip notes a line that Asterisk warns about and ignores.
func (p *astParser) skip(file string, line int, format string, args ...any) {
	p.problem(lineSkipped, file, line, format, args...)
}

// refuse notes a line at which Asterisk stops reading the file. It then ignores the whole
// configuration if that is the main file; of an included file it keeps the lines before.
func (p *astParser) refuse(file string, line int, format string, args ...any) {
	effect := fileRefused
	if len(p.reading) > 1 {
		effect = fileCut
	}
	p.problem(effect, file, line, format, args...)
}

// unread notes a line that Asterisk may understand, but this parser does not.
func (p *astParser) unread(file string, line int, format string, args ...any) {
	p.problem(notRead, file, line, format, args...)
}

func (p *astParser) problem(effect astEffect, file string, line int, format string, args ...any) {
	if len(p.config.problems) < maxAstProblems {
		p.config.problems = append(p.config.problems, astProblem{effect, fmt.Errorf("%s, line %d: %w", file, line, fmt.Errorf(format, args...))})
	}
}

// file reads one file, starting in the section from which it is included.
func (p *astParser) file(s source, section *astSection, depth int) {
	p.files++
	p.bytes += len(s.text)
	p.reading = append(p.reading, s.name)
	defer func() { p.reading = p.reading[:depth-1] }()
	var c comments
	n := 0
	for raw := range strings.Lines(strings.TrimPrefix(s.text, "\uFEFF")) {
		n++
		text := strings.TrimFunc(c.strip(raw), isSpace)
		switch {
		case text == "":
		case text[0] == '[':
			if next, err := p.header(text); err != nil {
				p.refuse(s.name, n, "%w", err)
				// Variables below it do not belong to the section before.
				section = &astSection{template: true}
			} else {
				section = next
			}
		case text[0] == '#':
			p.directive(s, n, text, section, depth)
		default:
			p.variable(s.name, n, text, section)
		}
	}
	if c.depth > 0 {
		p.skip(s.name, c.since(n), "the comment that begins with \";--\" does not end")
	}
}

// isSpace reports whether Asterisk strips r: everything up to the space (ast_strip).
func isSpace(r rune) bool { return r <= ' ' }

// header parses "[name]", "[name](!)", "[name](+)", "[name](template,...)".
func (p *astParser) header(text string) (*astSection, error) {
	name, rest, ok := strings.Cut(text[1:], "]")
	if !ok {
		return nil, fmt.Errorf("%q has no closing bracket", text)
	}
	s := &astSection{name: name}
	added := false
	if strings.HasPrefix(rest, "(") {
		options, _, ok := strings.Cut(rest[1:], ")")
		if !ok {
			return nil, fmt.Errorf("%q has no closing parenthesis", text)
		}
		for o := range strings.SplitSeq(options, ",") {
			switch {
			case o == "!":
				s.template = true
			case strings.HasPrefix(o, "+"):
				old := p.find(name, strings.TrimPrefix(o, "+"))
				if old == nil {
					return nil, fmt.Errorf("%q adds to a section that is not there", text)
				}
				old.template = old.template || s.template
				old.vars = append(old.vars, s.vars...)
				s, added = old, true
			default:
				base := p.find(o, "TEMPLATES=include")
				if base == nil {
					return nil, fmt.Errorf("%q inherits from a section that is not there", text)
				}
				if p.vars += len(base.vars); p.vars > maxAstVars {
					return nil, fmt.Errorf("%q makes more than %d variables", text, maxAstVars)
				}
				s.vars = append(s.vars, base.vars...)
			}
		}
	}
	if !added {
		p.config.sections = append(p.config.sections, s)
	}
	return s, nil
}

// find returns the first section of a name. A filter such as "type=endpoint" or "TEMPLATES=include"
// selects among them; "&" joins conditions. Templates are found only with "TEMPLATES="
// (does_category_match).
func (p *astParser) find(name, filter string) *astSection {
	templates := false
	var conditions []astVar
	for c := range strings.SplitSeq(filter, "&") {
		n, v, ok := strings.Cut(c, "=")
		switch {
		case !ok:
		case strings.EqualFold(n, "TEMPLATES"):
			templates = strings.EqualFold(v, "include") || strings.EqualFold(v, "restrict")
		default:
			conditions = append(conditions, astVar{n, v})
		}
	}
next:
	for _, s := range p.config.sections {
		if !strings.EqualFold(s.name, name) || s.template && !templates {
			continue
		}
		for _, c := range conditions {
			if s.get(c.name) != c.value {
				continue next
			}
		}
		return s
	}
	return nil
}

// directive handles "#include FILE" and "#tryinclude FILE", which may be patterns. It does not run
// "#exec".
func (p *astParser) directive(s source, n int, text string, section *astSection, depth int) {
	i := strings.IndexFunc(text, isSpace)
	if i < 0 {
		i = len(text)
	}
	word, name := strings.ToLower(text[1:i]), unquote(strings.TrimFunc(text[i:], isSpace))
	switch {
	case word == "exec" && !p.exec:
		p.skip(s.name, n, "%q needs \"execincludes = yes\" in asterisk.conf", text)
		return
	case word == "exec":
		p.unread(s.name, n, "%q is not run", text)
		return
	case word != "include" && word != "tryinclude":
		p.skip(s.name, n, "%q is no directive of Asterisk's", text)
		return
	case name == "":
		p.skip(s.name, n, "%q names no file", text)
		return
	case depth >= maxIncludeDepth:
		p.refuse(s.name, n, "%q: more than %d files deep", text, maxIncludeDepth)
		return
	}
	if section != nil {
		p.config.includes = append(p.config.includes, astInclude{section.name, name})
	}
	sources, err := p.open(name)
	switch {
	case err == nil, word == "tryinclude" && probe.Absent(err):
	case probe.Absent(err):
		p.refuse(s.name, n, "%w", err)
	default:
		p.unread(s.name, n, "%w", err)
	}
	for _, included := range sources {
		if p.files >= maxAstFiles || p.bytes+len(included.text) > maxAstBytes {
			p.unread(s.name, n, "%q: more than %d files or %d MiB", text, maxAstFiles, maxAstBytes>>20)
			return
		}
		if slices.Contains(p.reading, included.name) {
			p.refuse(s.name, n, "%q: it includes itself", text)
			continue
		}
		p.file(included, section, depth+1)
	}
}

// unquote removes the quotes or angle brackets of an include.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' && s[len(s)-1] == '"' || s[0] == '<' && s[len(s)-1] == '>') {
		return s[1 : len(s)-1]
	}
	return s
}

// variable parses "name = value", "name => value" and "name += more". A backslash in front lets a
// name begin with "[" or "#".
func (p *astParser) variable(file string, n int, text string, section *astSection) {
	if section == nil {
		p.refuse(file, n, "%q stands in no section", text)
		return
	}
	name, value, ok := strings.Cut(strings.TrimPrefix(text, `\`), "=")
	if !ok {
		p.skip(file, n, "%q has no \"=\"", text)
		return
	}
	name, more := strings.CutSuffix(name, "+")
	if !more {
		value = strings.TrimPrefix(value, ">")
	}
	name = strings.TrimFunc(name, isSpace)
	added := strings.TrimRightFunc(value, isSpace) // including the space after "+="
	value = strings.TrimLeftFunc(added, isSpace)
	if name == "" {
		p.skip(file, n, "%q has no name", text)
		return
	}
	if more {
		for i := len(section.vars) - 1; i >= 0; i-- {
			if section.vars[i].name == name {
				if len(section.vars[i].value)+len(added) > maxAstValue {
					p.unread(file, n, "%q: the value has more than %d KiB", name, maxAstValue>>10)
					return
				}
				// The template's value does not change: vars are copies.
				section.vars[i].value = strings.TrimFunc(section.vars[i].value+added, isSpace)
				return
			}
		}
	}
	if p.vars++; p.vars > maxAstVars {
		p.unread(file, n, "more than %d variables", maxAstVars)
		return
	}
	section.vars = append(section.vars, astVar{name, value})
}

// get returns the value that counts: the last one (ast_variable_retrieve).
func (s *astSection) get(name string) string {
	value := ""
	for _, v := range s.vars {
		if strings.EqualFold(v.name, name) {
			value = v.value
		}
	}
	return value
}

// all returns every value of a name, such as of several "match" lines.
func (s *astSection) all(name string) []string {
	var values []string
	for _, v := range s.vars {
		if strings.EqualFold(v.name, name) {
			values = append(values, v.value)
		}
	}
	return values
}

// section returns the first section of a name that is not a template, or an empty one.
func (c *astConfig) section(name string) *astSection {
	for _, s := range c.sections {
		if !s.template && strings.EqualFold(s.name, name) {
			return s
		}
	}
	return &astSection{}
}

// ofType returns the sections, except templates, whose variable "type" is one of these.
func (c *astConfig) ofType(types ...string) []*astSection {
	var all []*astSection
	for _, s := range c.sections {
		for _, t := range types {
			if !s.template && strings.EqualFold(s.get("type"), t) {
				all = append(all, s)
			}
		}
	}
	return all
}
