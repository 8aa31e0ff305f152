package screen

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// Table prints rows in aligned columns, two spaces apart. The last column is not padded.
type Table struct {
	Right []int // columns, from 0, that are right-aligned
	Rows  [][]string
}

// Row adds a row.
func (t *Table) Row(cells ...string) { t.Rows = append(t.Rows, cells) }

// Widths returns the widths of the columns.
func (t *Table) Widths() (width []int) {
	for _, row := range t.Rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	return width
}

// Print writes the rows that were added.
func (t *Table) Print(w io.Writer) {
	width := t.Widths()
	for _, row := range t.Rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if slices.Contains(t.Right, i) {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
			line.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// Count formats a number with commas: "77,068".
func Count[T int | uint64](n T) string { return humanize.Comma(int64(n)) }

// Plural formats a number with its noun: "1 entry" or "7 entries".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Prefix formats a network, without the length if it is a single address.
func Prefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// Ago is how long t is before now, in words: "3 hours ago", or "never" for no time.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return humanize.RelTime(t, now, "ago", "from now")
}

// Shorten cuts s to n characters.
func Shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// OrNone is s, or "none" if it is empty.
func OrNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Span formats how long it is until something: in minutes, or in days from two days on.
func Span(d time.Duration) string {
	d = d.Round(time.Minute)
	switch hours := int(d.Hours()); {
	case hours >= 48:
		return fmt.Sprintf("%d days", hours/24)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d min", max(1, int(d.Minutes())))
}

// Times is "1 time" or "7 times".
func Times(n int) string { return Plural(n, "time", "times") }

// ShortTime drops the zeros at the end of Go's form of a time: "5m" for "5m0s".
func ShortTime(s string) string {
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}
