// Package manpage writes the pages of the manual: one for each command, from
// what cobra knows about it, and one for the configuration, from the commented
// file. Neither has a text of its own that could disagree with the program,
// apart from [notes.go]. It is pure; package main writes the files, when it is
// built with the tag man. The released program has nothing of it.
package manpage

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
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

// Command returns a command's page, in section 8 of the manual.
func Command(cmd *cobra.Command, b Build) []byte {
	cmd.InitDefaultHelpFlag()
	p := newPage(Name(cmd), "8", cmd.Short, b)
	p.section("SYNOPSIS")
	synopsis(p, cmd)

	p.section("DESCRIPTION")
	about, status, _ := strings.Cut(cmp.Or(cmd.Long, sentence(cmd.Short)), "Exit status: ")
	p.paragraphs(about)
	if cmd.HasAvailableSubCommands() {
		p.section("COMMANDS")
		for _, sub := range Pages(cmd)[1:] {
			p.item(bold(Name(sub))+"(8)", sentence(sub.Short))
		}
		if !cmd.HasParent() {
			p.line(".PP")
			p.prose(helpVerb)
		}
	}
	p.section("OPTIONS")
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { option(p, f) })
	cmd.Root().PersistentFlags().VisitAll(func(f *pflag.Flag) { option(p, f) })

	if !cmd.HasParent() {
		status = exitStatus
	}
	if status != "" {
		p.section("EXIT STATUS")
		exits(p, status)
	}
	if notes := environmentOf(cmd); len(notes) > 0 {
		p.section("ENVIRONMENT")
		for _, n := range notes {
			p.item(inEach(n.name, bold), n.text)
		}
	}
	if notes := filesOf(cmd); len(notes) > 0 {
		p.section("FILES")
		for _, n := range notes {
			p.item(italic(n.name), n.text)
		}
	}
	p.section("EXAMPLES")
	examples(p, cmd.Example)
	p.section("SEE ALSO")
	seeAlso(p, Name(cmd)+"(8)", commandSeeAlso(cmd))
	return p.Bytes()
}

// inEach sets each of the names in a list in a font.
func inEach(names string, font func(string) string) string {
	var set []string
	for _, name := range strings.Split(names, ", ") {
		set = append(set, font(name))
	}
	return strings.Join(set, ", ")
}

// argument is a word of a command's usage that stands for another.
var argument = regexp.MustCompile(`[A-Z]{2,}`)

// synopsis writes how the command is typed: its options, then its arguments.
func synopsis(p *page, cmd *cobra.Command) {
	p.line(".SY " + strings.ReplaceAll(escape(cmd.CommandPath()), " ", `\ `))
	if cmd.HasAvailableSubCommands() {
		p.text(`[\fB\-\-config\fR\ \fIFILE\fR]`)
		p.text(italic("COMMAND"))
		p.text(`[\fIARGUMENT\fR...]`)
		p.line(".YS")
		return
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" && !strings.Contains(cmd.Use, "--"+f.Name) {
			p.text("[" + strings.ReplaceAll(strings.Join(spellings(f), " | "), " ", `\ `) + "]")
		}
	})
	p.text(`[\fB\-\-config\fR\ \fIFILE\fR]`)
	if _, args, ok := strings.Cut(cmd.Use, " "); ok {
		args = strings.ReplaceAll(markUp(args), " ", `\ `) // on one line
		p.text(argument.ReplaceAllString(args, `\fI$0\fR`))
	}
	p.line(".YS")
}

// spellings returns a flag as it may be typed, with what it takes.
func spellings(f *pflag.Flag) []string {
	long := bold("--" + f.Name)
	if takes, _ := pflag.UnquoteUsage(f); takes != "" {
		long += " " + italic(strings.ToUpper(takes))
	}
	if f.Shorthand == "" {
		return []string{long}
	}
	return []string{bold("-" + f.Shorthand), long}
}

// zeros end a duration as Go writes it.
var zeros = regexp.MustCompile(`(\d[hm])0[ms](0s)?$`)

func option(p *page, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	takes, usage := pflag.UnquoteUsage(f)
	switch f.Name { // cobra's own words are not much help
	case "help":
		usage = "show a short form of this page"
	case "version":
		usage = "print the version"
	}
	text := markUp(sentence(usage))
	if takes != "" {
		text = strings.Replace(text, takes, italic(takes), 1)
	}
	p.terms(strings.Join(spellings(f), ", "))
	p.text(text)
	switch f.DefValue {
	case "", "false", "0", "0s":
	default:
		p.prose("The default is " + zeros.ReplaceAllString(f.DefValue, "$1") + ".")
	}
}

// code begins the words about one exit status.
var code = regexp.MustCompile(`(?:^|[;,] )([0-9]) `)

// exits makes a list of "0 done; 1 not done, as said; 2 usage. More words."
func exits(p *page, text string) {
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
		p.item(bold(s.code), sentence(s.words))
	}
	if more != "" {
		p.line(".PP")
		p.prose(more)
	}
}

// examples writes indented lines as commands, each with its explanation if it has
// one, and the others as text.
func examples(p *page, text string) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		if command, about, ok := cutExample(lines[i]); ok && about != "" {
			p.item(strings.ReplaceAll(bold(command), "'", `\(aq`), sentence(about))
			i++
			continue
		}
		if i > 0 {
			p.line(".PP")
		}
		var bare []string
		for ; i < len(lines); i++ {
			command, about, ok := cutExample(lines[i])
			if !ok || about != "" {
				break
			}
			bare = append(bare, command)
		}
		if len(bare) > 0 {
			p.verbatim(bare)
		} else {
			p.prose(lines[i])
			i++
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

func commandSeeAlso(cmd *cobra.Command) []string {
	pages := mentioned(cmd.Root(), cmd.Long)
	for _, c := range Pages(cmd)[1:] {
		pages = append(pages, Name(c)+"(8)")
	}
	for c := cmd.Parent(); c != nil; c = c.Parent() {
		pages = append(pages, Name(c)+"(8)")
	}
	return append(pages, othersSeeAlso(cmd)...)
}

// seeAlso lists pages in order of their sections and names, without itself.
func seeAlso(p *page, itself string, pages []string) {
	section := func(page string) string { return page[strings.Index(page, "("):] }
	slices.SortFunc(pages, func(a, b string) int {
		return cmp.Or(strings.Compare(section(a), section(b)), strings.Compare(a, b))
	})
	pages = slices.DeleteFunc(slices.Compact(pages), func(page string) bool { return page == itself })
	p.line(".ad l") // long names make wide gaps
	for i, page := range pages {
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		p.text(markUp(page) + end)
	}
}
