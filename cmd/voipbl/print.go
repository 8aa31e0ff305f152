package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// table prints rows in aligned columns, two spaces apart. Columns named in
// right are aligned to the right; the last one is not padded.
type table struct {
	right []int
	rows  [][]string
}

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// widths are those of the columns.
func (t *table) widths() (width []int) {
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	return width
}

func (t *table) print(w io.Writer) {
	width := t.widths()
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if slices.Contains(t.right, i) {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
			line.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

func count[T int | uint64](n T) string { return humanize.Comma(int64(n)) }

// plural is "1 entry" or "7 entries".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// prefixText leaves the length out where it says nothing.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return humanize.RelTime(t, now, "ago", "from now")
}

// shorten cuts s to n characters.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// paint colours a word on a terminal. The word says the same without.
func (a *app) paint(word string, colour int) string {
	if !a.out.terminal || os.Getenv("NO_COLOR") != "" {
		return word
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, word)
}

// folded prints a text that may be long, also where nobody watches.
func (a *app) folded(text string) { a.out.Write(fold([]byte(clean(text) + "\n"))) }

// The colours of SGR (ECMA-48 §8.3.117).
const (
	red    = 31
	green  = 32
	yellow = 33
)

// printJSON prints v; an error of the output is noticed there.
func (a *app) printJSON(v any) {
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	enc.Encode(v)
}
