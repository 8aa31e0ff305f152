// Package manpage writes the pages of the manual: one for each command, by cobra's generator from
// what cobra knows about it, and one for the configuration, from the commented file. Neither has a
// text of its own that could disagree with the program, apart from filesandenvironment.go: what a
// command says of itself stands in cmd/voipbl, of a key in packaging/voipbl.yaml. It is pure;
// package main writes the files, when it is built with the tag man. The released program has
// nothing of it.
package manpage

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// Build is what stands at the foot of each page.
type Build struct {
	Version string
	Date    time.Time // zero for none
}

// Name is the name of a command's page, such as voipbl-firewall-apply.
func Name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// Pages returns the commands that have a page: cmd and all below it that people
// are shown. What help does is said in its parent's page.
func Pages(cmd *cobra.Command) []*cobra.Command {
	pages := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			pages = append(pages, Pages(sub)...)
		}
	}
	return pages
}

// section is that of the manual that is about commands for administrators.
const section = "8"

// Command returns a command's page. It is what cobra's generator makes of the command, with
// what that does not have or not as people read it as sections behind the description:
// options without "[=false]", the commands below it, exit status, environment, files.
func Command(cmd *cobra.Command, b Build) ([]byte, error) {
	cmd.InitDefaultHelpFlag()
	page := *cmd
	page.Use, page.Short, page.DisableFlagsInUseLine = literal(usage(cmd)), literal(cmd.Short), true
	page.Long, page.Example, page.DisableAutoGenTag = sections(cmd), "", true
	page.ResetFlags() // they are among the sections
	page.Flags().Bool("help", false, "")
	page.Flags().MarkHidden("help")
	inherited := cmd.Root().PersistentFlags()
	inherited.VisitAll(func(f *pflag.Flag) { f.Hidden = true })
	defer inherited.VisitAll(func(f *pflag.Flag) { f.Hidden = false })
	var out bytes.Buffer
	if err := doc.GenMan(&page, &doc.GenManHeader{Section: section}, &out); err != nil {
		return nil, err
	}
	_, text, found := bytes.Cut(out.Bytes(), []byte("\n.SH NAME\n")) // before it is a title with the month alone
	if !found {
		return nil, fmt.Errorf("%s: cobra's generator makes pages of another form", Name(cmd))
	}
	p := newPage(Name(cmd), section, b)
	p.line(".nh")      // what can be typed is not hyphenated,
	p.line(".nr HY 0") // nor after the next heading
	p.line(".ad l")
	p.section("NAME")
	p.WriteString(strings.TrimSpace(asTyped(string(text))))
	_, also, _ := strings.Cut(p.String(), "\n.SH SEE ALSO\n")
	for _, other := range seeAlsoOf(cmd) {
		if other = `\fB` + escape(other) + `\fP`; !strings.Contains(also, other) {
			p.WriteString(", " + other)
		}
	}
	p.line("")
	return p.Bytes(), nil
}

// noBreak stands for a space at which no line ends.
const noBreak = "\u00a0"

// asTyped keeps the characters of a page from becoming others that cannot be typed.
func asTyped(roff string) string {
	var out strings.Builder
	for _, r := range strings.ReplaceAll(roff, `\-`, "-") {
		switch string(r) {
		case `\`:
			out.WriteRune(r)
		case `'`:
			out.WriteString(`\(aq`)
		case noBreak:
			out.WriteString(`\ `)
		default:
			out.WriteString(escape(string(r)))
		}
	}
	return out.String()
}

// usage is how the command is typed: its name, its options, its arguments.
func usage(cmd *cobra.Command) string {
	var words []string
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !cmd.HasAvailableSubCommands() && !f.Hidden && f.Name != "help" && !strings.Contains(cmd.Use, "--"+f.Name) {
			words = append(words, "["+strings.Join(spellings(f), " | ")+"]")
		}
	})
	words = append(words, "[--config FILE]")
	_, args, takes := strings.Cut(cmd.Use, " ")
	switch {
	case cmd.HasAvailableSubCommands():
		words = append(words, "COMMAND", "[ARGUMENT...]")
	case takes:
		words = append(words, args)
	}
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], " ", noBreak)
	}
	return cmd.Name() + " " + strings.Join(words, " ")
}

// spellings returns a flag as it may be typed, with what it takes.
func spellings(f *pflag.Flag) []string {
	long := "--" + f.Name
	if takes, _ := pflag.UnquoteUsage(f); takes != "" {
		long += " " + strings.ToUpper(takes)
	}
	if f.Shorthand == "" {
		return []string{long}
	}
	return []string{"-" + f.Shorthand, long}
}

// sections is the description of a command, and what follows that in its page, as Markdown.
func sections(cmd *cobra.Command) string {
	var m markdown
	about, status, _ := strings.Cut(cmp.Or(cmd.Long, sentence(cmd.Short)), "Exit status: ")
	for _, part := range strings.Split(strings.TrimSpace(about), "\n\n") {
		m.paragraph(part)
	}
	if cmd.HasAvailableSubCommands() {
		m.heading("# COMMANDS")
		if !cmd.HasParent() {
			m.paragraph(helpVerb)
		}
		m.commands(cmd)
	}
	m.heading("# OPTIONS")
	cmd.LocalNonPersistentFlags().VisitAll(m.option)
	cmd.Root().PersistentFlags().VisitAll(m.option)
	if !cmd.HasParent() {
		status = exitStatus
	}
	if status != "" {
		m.heading("# EXIT STATUS")
		m.exits(status)
	}
	if notes := environmentOf(cmd); len(notes) > 0 {
		m.heading("# ENVIRONMENT")
		for _, n := range notes {
			m.item("**"+strings.ReplaceAll(literal(n.name), ", ", "**, **")+"**", n.text)
		}
	}
	if notes := filesOf(cmd); len(notes) > 0 {
		m.heading("# FILES")
		for _, n := range notes {
			m.item("*"+literal(n.name)+"*", n.text)
		}
	}
	m.heading("# EXAMPLES")
	m.examples(cmd.Example)
	return m.String()
}

// code begins the words about one exit status.
var code = regexp.MustCompile(`(?:^|[;,] )([0-9]) `)

// exits makes a list of "0 done; 1 not done, as said; 2 usage. More words."
func (m *markdown) exits(text string) {
	text, more, _ := strings.Cut(oneLine(text), ". ")
	text = strings.TrimSuffix(text, ".")
	type status struct{ code, words string }
	var all []status
	codes := code.FindAllStringSubmatchIndex(text, -1)
	for i, at := range codes {
		end := len(text)
		if i+1 < len(codes) {
			end = codes[i+1][0]
		}
		all = append(all, status{text[at[2]:at[3]], text[at[1]:end]})
	}
	slices.SortFunc(all, func(a, b status) int { return strings.Compare(a.code, b.code) })
	for _, s := range all {
		m.item("**"+s.code+"**", sentence(s.words))
	}
	if more != "" {
		m.paragraph(more)
	}
}

// examples writes indented lines as commands, each with its explanation if it has
// one, and the others as text.
func (m *markdown) examples(text string) {
	var bare []string
	for _, line := range append(strings.Split(text, "\n"), "") {
		command, about, ok := cutExample(line)
		if ok && about == "" {
			bare = append(bare, command)
			continue
		}
		if len(bare) > 0 { // the comment ends the item before
			m.WriteString("<!-- -->\n\n```\n" + strings.Join(bare, "\n") + "\n```\n\n")
			bare = nil
		}
		if ok {
			m.item("**"+literal(command)+"**", sentence(about))
		} else {
			m.paragraph(line)
		}
	}
}

// cutExample takes "  COMMAND   words" apart. Other lines are not ok.
func cutExample(line string) (command, about string, ok bool) {
	if line, ok = strings.CutPrefix(line, "  "); !ok {
		return "", "", false
	}
	command, about, _ = strings.Cut(line, "  ")
	return command, strings.TrimSpace(about), true
}

// spoken is a command named in running text.
var spoken = regexp.MustCompile(`"(voipbl [a-z ]+)`)

// mentioned returns the pages of the commands that a text names.
func mentioned(root *cobra.Command, text string) []string {
	var pages []string
	for _, m := range spoken.FindAllStringSubmatch(oneLine(text), -1) {
		if cmd, _, err := root.Find(strings.Fields(m[1])[1:]); err == nil && cmd.HasParent() {
			pages = append(pages, Name(cmd)+"(8)")
		}
	}
	return pages
}

// seeAlsoOf are the pages that a command's page refers to, beside those right above and below it,
// which cobra's generator lists.
func seeAlsoOf(cmd *cobra.Command) []string {
	pages := mentioned(cmd.Root(), cmd.Long)
	for c := cmd.Parent(); c != nil; c = c.Parent() {
		pages = append(pages, Name(c)+"("+section+")")
	}
	pages = append(pages, othersSeeAlso(cmd)...)
	slices.Sort(pages)
	return slices.DeleteFunc(slices.Compact(pages), func(page string) bool { return page == Name(cmd)+"("+section+")" })
}
