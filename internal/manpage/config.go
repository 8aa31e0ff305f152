package manpage

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// What voipbl.yaml(5) says of its own. All about keys comes from the file.
const (
	configAbout = "the configuration of voipbl"

	configBefore = `Commands of voipbl(8) read their configuration from /etc/voipbl/voipbl.yaml, or
from the file that --config names. It is YAML.`

	// configTitle is the first line of the file, which NAME says as well.
	configTitle = "/etc/voipbl/voipbl.yaml: " + configAbout + "."

	configKeys = `Each key is shown with its default. A path such as firewall.sip.ports is the key
ports below sip below firewall, and feeds[].name is the key name of each element
of feeds.`

	configExample = `firewall:
  base: true
  local_networks: [192.168.1.0/24, "fd12:3456:789a::/48"]
  trunks: [sip.example.net]
  sip: {public: false}
allow: [phones.example.net]`

	configExampleAbout = `A PBX host with phones in its own network, one provider of SIP, and voipbl as its
whole firewall:`
)

// entry is a paragraph of the commented file with the keys below it.
type entry struct {
	keys    []string // troff: the path and, if it has one, the default
	comment []string
	below   []string // lines that stay as they are: an example, or a default of several lines
}

// Config returns voipbl.yaml(5), in which each comment of the commented file is
// the text about the keys that follow it. The first comment introduces them all.
func Config(text []byte, root *cobra.Command, b Build) ([]byte, error) {
	intro, entries, err := readCommented(string(text))
	if err != nil {
		return nil, err
	}
	p := newPage("voipbl.yaml", "5", b)
	p.section("NAME")
	p.line(`voipbl.yaml \- ` + escape(configAbout))
	p.section("DESCRIPTION")
	p.paragraphs(configBefore)
	p.line(".PP")
	if len(intro) > 0 && intro[0] == configTitle {
		intro = intro[1:]
	}
	p.comment(intro, ".PP")
	p.section("KEYS")
	p.paragraphs(configKeys)
	for _, e := range entries {
		p.terms(e.keys...)
		p.comment(e.comment, ".IP")
		if len(e.below) > 0 {
			p.line(".IP")
			p.verbatim(e.below)
		}
	}
	p.section("FILES")
	p.item(italic(files[0].name), "The file itself. The package makes one if there is none, and leaves it alone after that.")
	p.item(italic(reference), "The same with every key, its default and what is said here, as of the version that is installed.")
	p.section("EXAMPLES")
	p.paragraphs(configExampleAbout)
	p.line(".PP")
	p.verbatim(strings.Split(configExample, "\n"))
	p.section("SEE ALSO")
	spoken := strings.NewReplacer("#   ", `"`, "#", "").Replace(string(text)) // indented like quoted
	seeAlso(p, "voipbl.yaml(5)", append(mentioned(root, spoken), "voipbl(8)"))
	return p.Bytes(), nil
}

var (
	keyLine = regexp.MustCompile(`^( *)(- )?([a-z0-9_]+):(?: (.+))?$`)

	// What another value means begins a line of its own.
	valueMeaning = regexp.MustCompile(`\. (true|false): `)
)

// parent is a key that others may stand below.
type parent struct {
	indent int
	path   string
}

// readCommented takes the commented file apart. It refuses what it does not know,
// so that nothing gets lost.
func readCommented(text string) (intro []string, entries []entry, err error) {
	var (
		comment []string // which waits for its keys
		open    *entry   // which more lines may belong to
		valued  bool     // the last key has a value on its line
		parents []parent
	)
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		words := strings.TrimLeft(line, " ")
		if words == "" {
			if open == nil && intro == nil {
				intro, comment = comment, nil
			}
			open = nil
			continue
		}
		if said, isComment := strings.CutPrefix(words, "#"); isComment {
			said = strings.TrimPrefix(said, " ")
			if open != nil && valued { // right below a value: an example of one
				open.below = append(open.below, said)
			} else {
				open = nil
				comment = append(comment, said)
			}
			continue
		}
		if strings.HasPrefix(words, "- {") && open != nil {
			open.below = append(open.below, words)
			continue
		}
		m := keyLine.FindStringSubmatch(line)
		if m == nil {
			return nil, nil, fmt.Errorf("line %d: %q is neither a comment nor a key", i+1, line)
		}
		indent := len(m[1]) + len(m[2])
		for len(parents) > 0 && parents[len(parents)-1].indent >= indent {
			parents = parents[:len(parents)-1]
		}
		path := ""
		if len(parents) > 0 {
			path = parents[len(parents)-1].path
			if m[2] != "" { // the keys that follow have this parent too
				path = strings.TrimSuffix(path, "[]") + "[]"
				parents[len(parents)-1].path = path
			}
			path += "."
		}
		path += m[3]
		parents = append(parents, parent{indent, path})
		valued = m[4] != ""
		if open == nil && comment == nil {
			if valued {
				return nil, nil, fmt.Errorf("line %d: nothing is said about %s", i+1, path)
			}
			continue // it only holds others
		}
		if open == nil {
			entries = append(entries, entry{comment: comment})
			open, comment = &entries[len(entries)-1], nil
		}
		term := bold(path)
		if valued {
			term += ": " + strings.ReplaceAll(escape(m[4]), "'", `\(aq`)
		}
		open.keys = append(open.keys, term)
	}
	if comment != nil {
		return nil, nil, fmt.Errorf("no key follows the last comment: %q", comment[0])
	}
	return intro, entries, nil
}

// comment writes a comment of the file as running text. Lines that are indented
// stay as they are. between begins a paragraph that goes on.
func (p *page) comment(lines []string, between string) {
	var prose, asIs []string
	flush := func() {
		if len(prose) > 0 {
			text := valueMeaning.ReplaceAllString(oneLine(strings.Join(prose, " ")), ".\n$1: ")
			for i, part := range strings.Split(text, "\n") {
				if i > 0 {
					p.line(".br")
				}
				p.prose(part)
			}
		}
		if len(asIs) > 0 {
			p.line(between)
			p.verbatim(asIs)
			p.line(between)
		}
		prose, asIs = nil, nil
	}
	for _, l := range lines {
		indented := strings.HasPrefix(l, "  ")
		switch {
		case indented && l != "":
			asIs = append(asIs, strings.TrimSpace(l))
			continue
		case l == "":
			continue
		case len(asIs) > 0:
			flush()
		}
		prose = append(prose, l)
	}
	flush()
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
