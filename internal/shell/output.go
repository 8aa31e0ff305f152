package shell

import (
	"path/filepath"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// output returns what a command writes, if that can be seen in the script: for echo,
// printf, and a cat of its input.
func (r *reader) output(s *syntax.Stmt, stdin string) string {
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
		var words []string
		for _, w := range c.Args {
			words = append(words, r.word(w))
		}
		return outputOf(unwrapped(words), stdin)
	case *syntax.Block:
		return r.outputs(c.Stmts, stdin)
	case *syntax.Subshell:
		return r.outputs(c.Stmts, stdin)
	case *syntax.BinaryCmd:
		if c.Op == syntax.Pipe || c.Op == syntax.PipeAll {
			return r.output(c.Y, r.output(c.X, stdin))
		}
		return r.output(c.X, stdin) + r.output(c.Y, stdin)
	}
	return ""
}

func (r *reader) outputs(all []*syntax.Stmt, stdin string) string {
	var b strings.Builder
	for _, s := range all {
		b.WriteString(r.output(s, stdin))
	}
	return b.String()
}

func outputOf(words []string, stdin string) string {
	if len(words) == 0 {
		return ""
	}
	args := words[1:]
	switch filepath.Base(words[0]) {
	case "cat", "tee":
		return stdin
	case "echo":
		for len(args) > 0 && (args[0] == "-n" || args[0] == "-e" || args[0] == "-ne" || args[0] == "-en") {
			args = args[1:]
		}
		return escapes.Replace(strings.Join(args, " ")) + "\n"
	case "printf":
		if len(args) > 0 && args[0] == "--" {
			args = args[1:]
		}
		if len(args) > 0 {
			return printf(args[0], args[1:])
		}
	}
	return ""
}

// escapes are the escape sequences of printf and dash's echo that matter for lines.
var escapes = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t")

// maxPrinted is the longest output of a format that is used repeatedly.
const maxPrinted = 64 << 10

// printf is printf(1) for text and numbers: it repeats the format until no arguments
// are left.
func printf(format string, args []string) string {
	format = escapes.Replace(format)
	var b strings.Builder
	for {
		used := 0
		for i := 0; i < len(format); i++ {
			if format[i] != '%' || i+1 == len(format) {
				b.WriteByte(format[i])
				continue
			}
			if i++; format[i] == '%' {
				b.WriteByte('%')
				continue
			}
			if used < len(args) {
				arg := args[used]
				if format[i] == 'b' {
					arg = escapes.Replace(arg)
				}
				b.WriteString(arg)
			}
			used++
		}
		if used == 0 || used >= len(args) || b.Len() > maxPrinted {
			return b.String()
		}
		args = args[used:]
	}
}
