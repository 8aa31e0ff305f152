package manpage

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// markdown is what cobra's generator takes for the text of a page. A blank line ends each
// paragraph and each item.
type markdown struct{ strings.Builder }

func (m *markdown) heading(title string) { m.WriteString(title + "\n\n") }

func (m *markdown) paragraph(text string) {
	if text = running(text); text != "" {
		m.WriteString(text + "\n\n")
	}
}

// item is a term, which is Markdown already, and what is said about it.
func (m *markdown) item(term, text string) {
	m.WriteString(term + "\n: " + running(text) + "\n\n")
}

// commands lists the commands below one, in its groups if it has some.
func (m *markdown) commands(cmd *cobra.Command) {
	groups := cmd.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{}}
	}
	for _, group := range groups {
		if group.Title != "" {
			m.heading("### " + strings.TrimSuffix(group.Title, ":"))
		}
		for _, sub := range cmd.Commands() {
			if sub.GroupID != group.ID || !sub.IsAvailableCommand() {
				continue
			}
			for _, c := range Pages(sub) {
				m.item("**"+literal(Name(c))+"**("+section+")", sentence(c.Short))
			}
		}
	}
}

// zeros end a duration as Go writes it.
var zeros = regexp.MustCompile(`(\d[hm])0[ms](0s)?$`)

func (m *markdown) option(f *pflag.Flag) {
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
	term := "**--" + f.Name + "**"
	if f.Shorthand != "" {
		term = "**-" + f.Shorthand + "**, " + term
	}
	if takes != "" {
		term += " *" + strings.ToUpper(takes) + "*"
	}
	text := sentence(usage)
	switch f.DefValue {
	case "", "[]", "false", "0", "0s":
	default:
		text += " The default is " + zeros.ReplaceAllString(f.DefValue, "$1") + "."
	}
	m.item(term, text)
}

// running is running text on one line: options and commands bold, paths italic.
func running(text string) string {
	return mark(oneLine(text), literal, func(s string) string { return "**" + literal(s) + "**" }, func(s string) string { return "*" + literal(s) + "*" })
}

// meaning has the characters that mean something in Markdown: anywhere, or first in a line. A "=" does
// only below another line, and here a paragraph is one line; the reader of Markdown knows no "\=".
var meaning = regexp.MustCompile("[\\\\`*_\\[\\]<>&|~]|^[#+:.-]")

// literal makes Markdown of plain text on one line.
func literal(s string) string { return meaning.ReplaceAllString(s, `\$0`) }
