package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// document is a page for people in this repository, by its path from here.
type document struct{ file, text string }

// documents are README and all pages below docs, in the order of their names.
func documents(t *testing.T) (all []document) {
	t.Helper()
	files := []string{"../../README.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		some, err := filepath.Glob(pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("%s: %v, %v", pattern, some, err)
		}
		files = append(files, some...)
	}
	for _, file := range files {
		all = append(all, readDocument(t, file))
	}
	return all
}

func readDocument(t *testing.T, file string) document {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return document{file, string(text)}
}

var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```$")
	heading  = regexp.MustCompile(`(?m)^#{1,6} +(.*?) *$`)
	linkText = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	verbWord = regexp.MustCompile(`^[a-z][a-z-]*[,.:)]?$`)
	pageLink = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`)
)

// anchors are what links to the headings of a page end in, as GitHub makes them: in lower
// case, without all but letters, digits, "-" and "_", and with "-" for a blank.
func (d document) anchors() map[string]bool {
	all := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1) {
		name := noAnchor.ReplaceAllString(linkText.ReplaceAllString(strings.ToLower(m[1]), "$1"), "")
		all[strings.ReplaceAll(name, " ", "-")] = true
	}
	return all
}

// TestLinks: each link of README, the pages below docs and the other pages for people leads to a
// file of this repository and to a heading in it. Links from README lead, directly or not, to every
// page.
func TestLinks(t *testing.T) {
	pages := documents(t)
	for _, file := range []string{"../../CONTRIBUTING.md", "../../CHANGELOG.md", "../../SECURITY.md"} {
		pages = append(pages, readDocument(t, file))
	}
	anchors := make(map[string]map[string]bool)
	for _, page := range pages {
		anchors[page.file] = page.anchors()
	}
	leads := make(map[string][]string)
	links, withAnchor := 0, 0
	for _, page := range pages {
		for _, m := range pageLink.FindAllStringSubmatch(fence.ReplaceAllString(page.text, ""), -1) {
			links++
			file := page.file
			if m[1] != "" {
				file = filepath.Join(filepath.Dir(page.file), m[1])
			}
			leads[page.file] = append(leads[page.file], file)
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", page.file, err)
				continue
			}
			if m[2] == "" {
				continue
			}
			withAnchor++
			if !anchors[file][m[2]] {
				t.Errorf("%s: %s has no heading #%s", page.file, file, m[2])
			}
		}
	}
	if links < 60 || withAnchor < 5 {
		t.Errorf("only %d links, %d of them to a heading", links, withAnchor)
	}
	reached := make(map[string]bool)
	for next := []string{"../../README.md"}; len(next) > 0; next = next[1:] {
		if !reached[next[0]] {
			reached[next[0]] = true
			next = append(next, leads[next[0]]...)
		}
	}
	for _, page := range pages {
		if !reached[page.file] {
			t.Errorf("no link leads from README to %s", page.file)
		}
	}
}

// TestREADMEIsShort holds README to what can be read before voipbl is installed.
func TestREADMEIsShort(t *testing.T) {
	if n := strings.Count(readDocument(t, "../../README.md").text, "\n"); n > 150 {
		t.Errorf("README has %d lines, and 150 are allowed: what is longer belongs into docs", n)
	}
}

// TestAllCommandsListed: the page that lists all commands has each that help lists.
func TestAllCommandsListed(t *testing.T) {
	page := readDocument(t, "../../docs/operation.md")
	root := newApp(new(bytes.Buffer), new(bytes.Buffer)).command()
	for _, cmd := range root.Commands() {
		if listed := regexp.MustCompile("(?m)^\\|.*`(voipbl )?" + cmd.Name() + "[ `].*\\|$"); cmd.IsAvailableCommand() && !listed.MatchString(page.text) {
			t.Errorf("%s is not among all commands", cmd.CommandPath())
		}
	}
}

// shownCommand is a command that a text shows: what follows "voipbl" in a code span or in
// quotation marks, which may have line breaks, or on an indented line.
var shownCommand = regexp.MustCompile("(?m)`voipbl\\s+([^`]+)`|\"voipbl\\s+([^\"]+)\"|^(?:    |\\t)(?:[$#] )?voipbl +(.+)$")

// TestCommandsShown: each verb and each flag of voipbl that README, docs, the manual and the
// helps show is one that there is.
func TestCommandsShown(t *testing.T) {
	texts := documents(t)
	for _, pattern := range []string{"../../CONTRIBUTING.md", "../../SECURITY.md", "../../.github/ISSUE_TEMPLATE/*", "../../packaging/voipbl.yaml", "../../testdata/remedies.txt", "../../internal/manpage/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			page := readDocument(t, file)
			page.text = strings.ReplaceAll(page.text, `\"`, `"`)
			texts = append(texts, page)
		}
	}
	root := newApp(new(bytes.Buffer), new(bytes.Buffer)).command()
	root.InitDefaultHelpCmd()
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		texts = append(texts, document{cmd.CommandPath() + " --help", cmd.Long + "\n" + strings.ReplaceAll("\n"+cmd.Example, "\n  ", "\n    ")})
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each(root)
	commands, flags := 0, 0
	for _, page := range texts {
		for _, m := range shownCommand.FindAllStringSubmatch(page.text, -1) {
			line := strings.Join(strings.Fields(m[1]+m[2]+m[3]), " ")
			if end := strings.IndexAny(line, "|;&>#"); end >= 0 {
				line = line[:end]
			}
			n, why := shown(root, strings.Fields(line))
			commands++
			flags += n
			if why != "" {
				t.Errorf("%s: voipbl %s: %s", page.file, line, why)
			}
		}
	}
	if commands < 300 || flags < 60 {
		t.Errorf("only %d commands with %d flags were found", commands, flags)
	}
}

// shown follows the words of a command, and says how many flags they have, and which verb or
// flag there is not.
func shown(cmd *cobra.Command, words []string) (flags int, why string) {
	for _, word := range words {
		name, isFlag := strings.CutPrefix(word, "--")
		switch {
		case isFlag && name != "":
			flags++
			name, _, _ = strings.Cut(strings.TrimRight(name, ",.:)]"), "=")
			if flagOf(cmd, name) == nil {
				return flags, cmd.CommandPath() + " has no --" + name
			}
		case flags == 0 && cmd.HasSubCommands() && verbWord.MatchString(word):
			sub, _, err := cmd.Find([]string{strings.TrimRight(word, ",.:)")})
			if err != nil || sub == cmd {
				return flags, "there is no such command"
			}
			cmd = sub
		}
	}
	return flags, ""
}

func flagOf(cmd *cobra.Command, name string) *pflag.Flag {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.InheritedFlags().Lookup(name)
}
