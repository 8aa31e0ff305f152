package voipblsh

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

// shellScript matches the first line of scripts whose grammar this package knows.
var shellScript = lazyregexp.New(`^#![^\n]*[/ ](ba|da)?sh(\s|$)`)

// runsOnlyScript reports whether a cron command certainly does nothing but run the script. If in
// doubt, it returns false. To cron, a "%" is a new line.
func runsOnlyScript(command string) bool {
	file, err := parseShell(command)
	return err == nil && !strings.Contains(command, "%") && scriptOnly{}.stmts(file.Stmts)
}

// linesOfScript returns the lines of a shell script that certainly do nothing but run the published
// script: with ":" in place of each, the rest works as before.
func linesOfScript(text string) map[int]bool {
	found := map[int]bool{}
	if !shellScript().MatchString(text) || !strings.Contains(text, scriptName) {
		return found
	}
	file, err := parseShell(text)
	if err != nil {
		return found
	}
	for _, list := range listsIn(file.Stmts) {
		byLine := map[uint][]*syntax.Stmt{}
		for _, s := range list {
			if line := s.Pos().Line(); s.End().Line() == line {
				byLine[line] = append(byLine[line], s)
			}
		}
		for line, stmts := range byLine {
			before := text[:stmts[0].Pos().Offset()]
			before = before[strings.LastIndexByte(before, '\n')+1:]
			after, _, _ := strings.Cut(text[stmts[len(stmts)-1].End().Offset():], "\n")
			after = strings.TrimSpace(after)
			if strings.TrimSpace(before) == "" && (after == "" || after[0] == '#') && (scriptOnly{inScript: true}).stmts(stmts) {
				found[int(line)] = true
			}
		}
	}
	return found
}

func parseShell(text string) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
}

// listsIn returns the lists of commands in a script on whose results nothing depends. It skips
// conditions, "$(…)" and functions.
func listsIn(stmts []*syntax.Stmt) [][]*syntax.Stmt {
	lists := [][]*syntax.Stmt{stmts}
	for _, s := range stmts {
		switch c := s.Cmd.(type) {
		case *syntax.Block:
			lists = append(lists, listsIn(c.Stmts)...)
		case *syntax.Subshell:
			lists = append(lists, listsIn(c.Stmts)...)
		case *syntax.IfClause:
			for ; c != nil; c = c.Else {
				lists = append(lists, listsIn(c.Then)...)
			}
		case *syntax.WhileClause:
			lists = append(lists, listsIn(c.Do)...)
		case *syntax.ForClause:
			lists = append(lists, listsIn(c.Do)...)
		case *syntax.CaseClause:
			for _, item := range c.Items {
				lists = append(lists, listsIn(item.Stmts)...)
			}
		}
	}
	return lists
}

var (
	// startsIt are programs that run the program after them, with the arguments of their own that
	// may stand between, each followed by a space.
	startsIt = map[string]func() *regexp.Regexp{
		"sh":      lazyregexp.New(`^(-[eluvx]+ )*$`),
		"bash":    lazyregexp.New(`^(-[eluvx]+ )*$`),
		"dash":    lazyregexp.New(`^(-[eluvx]+ )*$`),
		"nice":    lazyregexp.New(`^(-n ?-?\d+ |-\d+ |--adjustment=-?\d+ )?$`),
		"ionice":  lazyregexp.New(`^(-[cn] ?(\d|idle) |-t )*$`),
		"sudo":    lazyregexp.New(`^(-[nHE] |-u [\w-]+ )*$`),
		"timeout": lazyregexp.New(`^(-[ks] ?\w+ )*[\d.]+[smhd]? $`),
		"flock":   lazyregexp.New(`^(-[nxeo] |-w ?\d+ )*/[^ ]+ $`),
		"chronic": lazyregexp.New(`^(-[ev]+ )*$`),
		"exec":    lazyregexp.New(`^$`),
	}
	// runsText matches the options that make a shell run the text after them.
	runsText = lazyregexp.New(`^-[eluvx]*c$`)

	// harmless are commands without an effect of their own. Inside a script that continues, those
	// in ofScript do have one.
	harmless = []string{"test", "[", "sleep", "true", ":", "logger", "cd", "exit"}
	ofScript = []string{"cd", "exit", "exec"}

	ofSystem = lazyregexp.New(`^(/usr)?/s?bin/`)
)

// scriptOnly decides whether commands certainly do nothing but run the script.
type scriptOnly struct{ inScript bool } // later commands depend on the state that these leave

func (o scriptOnly) stmts(all []*syntax.Stmt) bool {
	runs := false
	for _, s := range all {
		r, ok := o.stmt(s)
		if !ok {
			return false
		}
		runs = runs || r
	}
	return runs
}

// stmt reports whether a command runs the script, and whether it does nothing else.
func (o scriptOnly) stmt(s *syntax.Stmt) (runs, ok bool) {
	if s.Negated || s.Coprocess || s.Background && o.inScript {
		return false, false
	}
	switch c := s.Cmd.(type) {
	case *syntax.BinaryCmd: // both sides: "&&", "||", "|", "|&"
		x, okX := o.stmt(c.X)
		y, okY := o.stmt(c.Y)
		return x || y, okX && okY && len(s.Redirs) == 0
	case *syntax.CallExpr:
		words, plain := plainWords(c.Args)
		if !plain || len(words) == 0 || len(c.Assigns) > 0 {
			return false, false
		}
		name := ofSystem().ReplaceAllString(words[0], "")
		if o.inScript && slices.Contains(ofScript, name) {
			return false, false
		}
		if slices.Contains(harmless, name) {
			return false, plainRedirections(s.Redirs, false)
		}
		return true, startsScript(words) && plainRedirections(s.Redirs, true)
	}
	return false, false
}

// startsScript reports whether the words of a command run the script without arguments.
func startsScript(words []string) bool {
	if filepath.Base(words[0]) == scriptName {
		return len(words) == 1
	}
	name := ofSystem().ReplaceAllString(words[0], "")
	between, known := startsIt[name]
	if !known {
		return false
	}
	if slices.Contains([]string{"sh", "bash", "dash"}, name) && len(words) == 3 && runsText().MatchString(words[1]) {
		return runsOnlyScript(words[2])
	}
	own := ""
	for i, w := range words[1:] {
		if between().MatchString(own) && startsScript(words[i+1:]) {
			return true
		}
		own += w + " "
	}
	return false
}

// plainRedirections reports whether all redirections are harmless: with files, to and from plain
// file names; otherwise, no file is written but /dev/null.
func plainRedirections(all []*syntax.Redirect, files bool) bool {
	return !slices.ContainsFunc(all, func(r *syntax.Redirect) bool {
		to, plain := plainWords([]*syntax.Word{r.Word})
		switch r.Op {
		case syntax.RdrIn:
			return !plain
		case syntax.DplOut: // to another file descriptor, or bash's "&>"
			return !plain || !files && strings.Trim(to[0], "0123456789-") != ""
		case syntax.RdrOut, syntax.AppOut, syntax.RdrAll, syntax.AppAll:
			return !plain || !files && to[0] != "/dev/null"
		}
		return true
	})
}

// plainWords returns the words without their quotes, if they are literal: they contain nothing that
// a shell expands or runs.
func plainWords(all []*syntax.Word) (words []string, plain bool) {
	for _, w := range all {
		var b strings.Builder
		for _, part := range w.Parts {
			switch p := part.(type) {
			case *syntax.Lit:
				if strings.ContainsAny(p.Value, `*?{\`) || strings.Contains(p.Value, "[") && p.Value != "[" {
					return nil, false
				}
				b.WriteString(p.Value)
			case *syntax.SglQuoted:
				if p.Dollar {
					return nil, false
				}
				b.WriteString(p.Value)
			case *syntax.DblQuoted:
				for _, inner := range p.Parts {
					lit, is := inner.(*syntax.Lit)
					if !is || p.Dollar || strings.Contains(lit.Value, `\`) {
						return nil, false
					}
					b.WriteString(lit.Value)
				}
			default:
				return nil, false
			}
		}
		words = append(words, b.String())
	}
	return words, true
}
