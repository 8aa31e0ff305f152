package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/blocklist"
)

// printNames tells what is noteworthy about names of allow and trunks and is no problem.
func (a *app) printNames(s *blocklist.Status) {
	for _, n := range s.Names {
		if n.Warning != "" && !slices.Contains(s.Problems, n.Warning) {
			fmt.Fprintln(a.out, "  "+strings.Join(wrap(clean(n.Warning), lineWidth-4), "\n    "))
		}
	}
}

// lineWidth is that of a terminal.
const lineWidth = 80

// wrap breaks a text between words into lines of at most width bytes, or one word.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
