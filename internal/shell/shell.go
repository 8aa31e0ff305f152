package shell

import (
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

// Command is a simple command of a shell script: its words, and its standard input, if
// that can be seen in the script.
type Command struct {
	Words []string
	Stdin string
}

// Commands returns all simple commands in a script, in order, at any depth. It runs
// nothing: a variable is known if the script has set it to plain text before, and "$(…)"
// and the like stay unchanged. fail2ban's tags, such as "<ip>", also stay, although a
// shell would see redirections. If the script has a syntax error, the commands before it
// count, as for a shell.
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

// Tag matches fail2ban's tags, such as "<ipmset>".
var Tag = lazyregexp.New(`<([A-Za-z0-9_.-]+)>`)

// The brackets of tags are replaced by private-use characters while the shell's grammar
// is applied.
const tagBegin, tagEnd = "\uE000", "\uE001"

var tagsBack = strings.NewReplacer(tagBegin, "<", tagEnd, ">")

// maxScripts is how deep scripts in scripts are followed, as in "sh -c '…'".
const maxScripts = 4

// maxWord is the longest word that variables in variables may expand to.
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
	text = Tag().ReplaceAllString(text, tagBegin+"$1"+tagEnd)
	parser := syntax.NewParser(syntax.Variant(syntax.LangBash))
	broken := false
	for s, err := range parser.StmtsSeq(strings.NewReader(text)) {
		// The parser continues after an error, and must not be left early.
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

// stmt walks a command with all parts. stdin is its input from the command before a
// "|".
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

// assign stores the value of a variable, and walks the commands in it.
func (r *reader) assign(a *syntax.Assign) {
	if a.Name == nil || a.Value == nil || a.Append {
		return
	}
	r.inside(a.Value)
	r.variables[a.Name.Value] = r.word(a.Value)
}

// inside walks the commands within a word: "$(…)" and backticks.
func (r *reader) inside(w *syntax.Word) {
	syntax.Walk(w, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.CmdSubst); ok {
			r.stmts(c.Stmts, "")
			return false
		}
		return true
	})
}

// wrapper is a program that runs the command after it and its options.
type wrapper struct {
	own    int      // number of its own words before the command, such as the file of flock
	valued []string // options with a value in the next word
}

var wrappers = map[string]wrapper{
	"sudo": {valued: []string{"-u", "--user", "-g", "--group"}}, "doas": {valued: []string{"-u"}}, "env": {valued: []string{"-u", "--unset"}},
	"nohup": {}, "nice": {}, "ionice": {}, "exec": {}, "command": {}, "setsid": {},
	"timeout": {valued: []string{"-s", "--signal"}}, "flock": {own: 1},
}

// unwrapped returns a command without the wrappers before it.
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

// withoutOptions removes leading options with their numbers and times, and "NAME=…".
// valued are options with another kind of value in the next word.
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

// withArguments returns the command that xargs runs with arguments, in place of "{}" or
// at the end.
func withArguments(xargs, arguments []string) []string {
	words := unwrapped(withoutOptions(xargs[1:]))
	if i := slices.Index(words, "{}"); i >= 0 {
		return slices.Concat(words[:i], arguments, words[i+1:])
	}
	return slices.Concat(words, arguments)
}

// word returns the text of a word without quotes, with known variables replaced.
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
	default: // "$(…)" and the like, whose result is unknown
		b.WriteString("$()")
	}
}

// isPlain reports whether an expansion is only "${NAME}".
func isPlain(p *syntax.ParamExp) bool {
	return !p.Excl && !p.Length && !p.Width && p.Index == nil && p.Slice == nil && p.Repl == nil && p.Exp == nil
}

// unescaped removes backslashes; within double quotes only those before special
// characters.
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
