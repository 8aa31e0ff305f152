package manpage

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// page is a manual page that is being written, in the macros of man(7).
type page struct{ bytes.Buffer }

// newPage begins a page with its title.
func newPage(name, section string, b Build) *page {
	p := new(page)
	date := ""
	if !b.Date.IsZero() {
		date = b.Date.UTC().Format("2006-01-02")
	}
	fmt.Fprintf(p, ".TH \"%s\" \"%s\" \"%s\" \"%s\" \"voipbl\"\n", escape(strings.ToUpper(name)), section, date, escape("voipbl "+b.Version))
	return p
}

// line writes one line of troff as it is.
func (p *page) line(s string) { p.WriteString(s + "\n") }

func (p *page) section(title string) { p.line(".SH " + title) }

// paragraphs writes running text: blank lines separate its paragraphs, and lines
// that are indented stay as they are.
func (p *page) paragraphs(text string) {
	for i, part := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.line(".PP")
		}
		p.prose(part)
	}
}

// prose writes one paragraph, each sentence on a line of its own as man(7) wants.
func (p *page) prose(text string) {
	for _, s := range strings.Split(sentenceEnd.ReplaceAllString(oneLine(text), "$1\n$2"), "\n") {
		p.text(markUp(s))
	}
}

// sentenceEnd is not behind one letter, which is an abbreviation.
var sentenceEnd = regexp.MustCompile(`([\pL\d)"\]][\pL\d)"\]][.?!]) (["(]?\p{Lu})`)

// item writes a term and, indented below it, what is said about it. The term is
// troff already.
func (p *page) item(term, text string) {
	p.terms(term)
	p.paragraphsBelow(text)
}

// terms begins an item that has several terms.
func (p *page) terms(terms ...string) {
	for i, term := range terms {
		p.line([]string{".TP", ".TQ"}[min(i, 1)])
		p.text(term)
	}
}

// paragraphsBelow is paragraphs for the text of an item.
func (p *page) paragraphsBelow(text string) {
	for i, part := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.line(".IP")
		}
		p.prose(part)
	}
}

// verbatim writes lines that stay as they are.
func (p *page) verbatim(lines []string) {
	p.line(".EX")
	for _, l := range lines {
		p.line(guard(strings.ReplaceAll(escape(l), "'", `\(aq`)))
	}
	p.line(".EE")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// sentence makes one of an option's or example's few words.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(s[size:], ".") + "."
}

// wordMarked is the beginning of a word that stands out. After "\ " goes a word on.
var wordMarked = regexp.MustCompile(`(^|[^\\] )([\["({]*\\f[BI])`)

// text writes a line that is filled up with others. What stands out in it gets no
// hyphen at the end of a line, for which \% has to stand before the whole word.
func (p *page) text(s string) {
	p.line(guard(wordMarked.ReplaceAllString(s, `$1\%$2`)))
}

// guard keeps a line of text from being taken for a macro.
func guard(s string) string {
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		return `\&` + s
	}
	return s
}

// special has what troff would change into something that cannot be typed: see
// groff_char(7).
var special = map[rune]string{'\\': `\e`, '-': `\-`, '^': `\(ha`, '~': `\(ti`, '`': `\(ga`}

// escape makes plain text of plain text: of each character it shows that one. The
// result is ASCII, which needs no encoding to be known.
func escape(s string) string {
	var out strings.Builder
	for _, r := range s {
		switch e, ok := special[r]; {
		case ok:
			out.WriteString(e)
		case r >= utf8.RuneSelf:
			fmt.Fprintf(&out, `\[u%04X]`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// marked is what stands out in running text: a command in quotes, an option, a
// path, a page of the manual. A URL is there to be left alone as a whole.
var marked = regexp.MustCompile(`https?://\S+|"voipbl [^"]+"|\B--?[a-z0-9][a-z0-9-]*\b|\B/[a-z][\w./-]*\w|\b[a-z][\w.-]*\([1-8]\)`)

// markUp escapes running text and makes commands and options bold, paths italic.
func markUp(s string) string { return mark(s, escape, bold, italic) }

// mark writes running text, and commands, options and paths in it as these write them.
func mark(s string, escape, bold, italic func(string) string) string {
	var out strings.Builder
	last := 0
	for _, at := range marked.FindAllStringIndex(s, -1) {
		out.WriteString(escape(s[last:at[0]]))
		word := s[at[0]:at[1]]
		last = at[1]
		switch name, number, isPage := strings.Cut(word, "("); {
		case isPage:
			out.WriteString(bold(name) + "(" + number)
		case word[0] == '"':
			out.WriteString(bold(strings.Trim(word, `"`)))
		case word[0] == '-':
			out.WriteString(bold(word))
		case word[0] == '/':
			out.WriteString(italic(word))
		default:
			out.WriteString(escape(word))
		}
	}
	return out.String() + escape(s[last:])
}

func bold(s string) string { return `\fB` + strings.ReplaceAll(escape(s), " ", ` \%`) + `\fR` }

func italic(s string) string { return `\fI` + strings.ReplaceAll(escape(s), " ", ` \%`) + `\fR` }
