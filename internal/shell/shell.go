package shell

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Command is a simple command of a shell script: its words, and what it reads from
// its standard input, if the script itself says so.
type Command struct {
	Words []string
	Stdin string
}

// Commands are the simple commands in the text of a script, in its order, wherever in
// the script they stand. Nothing is run: a variable is known if the text sets it to plain
// text before, and what "$(…)" and the like would give stays as it is. fail2ban's tags,
// "<ip>", stay too, although a shell would see redirections. Of a text that is broken the
// commands before the mistake count, as for a shell.
func Commands(text string) []Command {
	r := reader{variables: map[string]string{}}
	r.read(text)
	for i, c := range r.commands {
		for j, w := range c.Words {
			c.Words[j] = tagsBack.Replace(w)
		}
		r.commands[i].Stdin = tagsBack.Replace(c.Stdin)
	}
	return r.commands
}

// Tag finds the tags of fail2ban's in such a text, as "<ipmset>".
var Tag = regexp.MustCompile(`<([A-Za-z0-9_.-]+)>`)

// A tag's brackets have stand-ins while a shell's grammar is used: private letters of
// Unicode.
const tagBegin, tagEnd = "\uE000", "\uE001"

var tagsBack = strings.NewReplacer(tagBegin, "<", tagEnd, ">")

// maxScripts is how deep scripts may be in scripts, as in "sh -c '…'".
const maxScripts = 4

// maxWord bounds what variables, each made of others, may grow to.
const maxWord = 4096

type reader struct {
	commands  []Command
	variables map[string]string
	depth     int
}

func (r *reader) read(text string) {
	if r.depth++; r.depth > maxScripts {
		return
	}
	defer func() { r.depth-- }()
	text = Tag.ReplaceAllString(text, tagBegin+"$1"+tagEnd)
	parser := syntax.NewParser(syntax.Variant(syntax.LangBash))
	broken := false
	for s, err := range parser.StmtsSeq(strings.NewReader(text)) {
		// It goes on after a mistake, and does not bear to be left in the middle.
		if broken = broken || err != nil; !broken {
			r.stmt(s, "")
		}
	}
}

func (r *reader) stmts(all []*syntax.Stmt, stdin string) {
	for _, s := range all {
		r.stmt(s, stdin)
	}
}

// stmt goes through a command with all that is in it. stdin is what it is given by the
// command before a "|".
func (r *reader) stmt(s *syntax.Stmt, stdin string) {
	for _, redirection := range s.Redirs {
		switch redirection.Op {
		case syntax.Hdoc, syntax.DashHdoc:
			stdin = r.word(redirection.Hdoc)
		case syntax.WordHdoc:
			stdin = r.word(redirection.Word)
		}
	}
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		r.call(c, stdin)
	case *syntax.BinaryCmd:
		r.stmt(c.X, stdin)
		if c.Op == syntax.Pipe || c.Op == syntax.PipeAll {
			stdin = r.output(c.X, stdin)
		}
		r.stmt(c.Y, stdin)
	case *syntax.Block:
		r.stmts(c.Stmts, stdin)
	case *syntax.Subshell:
		r.stmts(c.Stmts, stdin)
	case *syntax.IfClause:
		for ; c != nil; c = c.Else {
			r.stmts(c.Cond, stdin)
			r.stmts(c.Then, stdin)
		}
	case *syntax.WhileClause:
		r.stmts(c.Cond, stdin)
		r.stmts(c.Do, stdin)
	case *syntax.ForClause:
		r.stmts(c.Do, stdin)
	case *syntax.CaseClause:
		for _, item := range c.Items {
			r.stmts(item.Stmts, stdin)
		}
	case *syntax.FuncDecl:
		r.stmt(c.Body, "")
	case *syntax.TimeClause:
		if c.Stmt != nil {
			r.stmt(c.Stmt, stdin)
		}
	case *syntax.DeclClause: // "local x=…"
		for _, a := range c.Args {
			r.assign(a)
		}
	}
}

func (r *reader) call(c *syntax.CallExpr, stdin string) {
	for _, a := range c.Assigns {
		r.assign(a)
	}
	var words []string
	for _, w := range c.Args {
		r.inside(w)
		words = append(words, r.word(w))
	}
	words = unwrapped(words)
	if len(words) > 0 && words[0] == "xargs" {
		words = withArguments(words, strings.Fields(stdin))
	}
	if len(words) == 0 {
		return
	}
	switch filepath.Base(words[0]) {
	case "sh", "bash", "dash":
		script := stdin
		if i := slices.Index(words, "-c"); i >= 0 && i+1 < len(words) {
			script = words[i+1]
		}
		r.read(tagsBack.Replace(script))
	}
	r.commands = append(r.commands, Command{words, stdin})
}

// assign keeps the value of a variable, and goes through the commands in it.
func (r *reader) assign(a *syntax.Assign) {
	if a.Name == nil || a.Value == nil || a.Append {
		return
	}
	r.inside(a.Value)
	r.variables[a.Name.Value] = r.word(a.Value)
}

// inside goes through the commands within a word: "$(…)" and backticks.
func (r *reader) inside(w *syntax.Word) {
	syntax.Walk(w, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.CmdSubst); ok {
			r.stmts(c.Stmts, "")
			return false
		}
		return true
	})
}

// wrapper is a program that runs the command which stands behind it and its options.
type wrapper struct {
	own    int      // how many words of its own stand between, as a file of flock's
	valued []string // options with a value in the next word
}

var wrappers = map[string]wrapper{
	"sudo": {valued: []string{"-u", "--user", "-g", "--group"}}, "doas": {valued: []string{"-u"}}, "env": {valued: []string{"-u", "--unset"}},
	"nohup": {}, "nice": {}, "ionice": {}, "exec": {}, "command": {}, "setsid": {},
	"timeout": {valued: []string{"-s", "--signal"}}, "flock": {own: 1},
}

// unwrapped is a command without the wrappers in front of it.
func unwrapped(words []string) []string {
	for len(words) > 0 {
		by, is := wrappers[filepath.Base(words[0])]
		if !is {
			break
		}
		words = withoutOptions(words[1:], by.valued...)
		words = words[min(by.own, len(words)):]
	}
	return words
}

// withoutOptions takes options off, with their numbers and times, and "NAME=…". valued are
// those with another value in the next word.
func withoutOptions(words []string, valued ...string) []string {
	for len(words) > 0 {
		if slices.Contains(valued, words[0]) && len(words) > 1 {
			words = words[2:]
			continue
		}
		name, _, assigns := strings.Cut(words[0], "=")
		number := words[0] != "" && strings.Trim(strings.TrimRight(words[0], "smhd"), "0123456789.") == "" && words[0][0] <= '9'
		if !strings.HasPrefix(words[0], "-") && !number && (!assigns || name == "" || strings.ContainsAny(name, "/ ")) {
			break
		}
		words = words[1:]
	}
	return words
}

// withArguments is what xargs runs with arguments: in place of "{}", or behind the rest.
func withArguments(xargs, arguments []string) []string {
	words := unwrapped(withoutOptions(xargs[1:]))
	if i := slices.Index(words, "{}"); i >= 0 {
		return slices.Concat(words[:i], arguments, words[i+1:])
	}
	return slices.Concat(words, arguments)
}

// word is the text of a word with the quotes taken off and known variables put in.
func (r *reader) word(w *syntax.Word) string {
	if w == nil {
		return ""
	}
	var b strings.Builder
	for _, part := range w.Parts {
		r.part(&b, part, false)
	}
	return b.String()[:min(b.Len(), maxWord)]
}

func (r *reader) part(b *strings.Builder, part syntax.WordPart, quoted bool) {
	switch p := part.(type) {
	case *syntax.Lit:
		b.WriteString(unescaped(p.Value, quoted))
	case *syntax.SglQuoted:
		b.WriteString(p.Value)
	case *syntax.DblQuoted:
		for _, inner := range p.Parts {
			r.part(b, inner, true)
		}
	case *syntax.ParamExp:
		if v, known := r.variables[p.Param.Value]; known && (p.Short || isPlain(p)) {
			b.WriteString(v)
			return
		}
		b.WriteString("$" + p.Param.Value)
	default: // "$(…)" and the like, of which nobody knows what it gives
		b.WriteString("$()")
	}
}

// isPlain reports whether an expansion is "${NAME}" without more.
func isPlain(p *syntax.ParamExp) bool {
	return !p.Excl && !p.Length && !p.Width && p.Index == nil && p.Slice == nil && p.Repl == nil && p.Exp == nil
}

// unescaped takes off the backslashes: within double quotes only those before what is
// special there.
func unescaped(s string, quoted bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (!quoted || strings.IndexByte("\\\"$`\n", s[i+1]) >= 0) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
