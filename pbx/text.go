package pbx

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxText is the most bytes of a text of a stranger that are kept.
const MaxText = 64

// Text returns what a stranger has written so that it can be kept and shown: at most [MaxText]
// bytes, without control characters and what is not UTF-8, and without the message around it, which would
// stay in memory as long as its part.
func Text(s string) string { return strings.Clone(Printable(s, MaxText)) }

// Printable returns at most so many bytes of a text, with a question mark in place of each character
// that is not printable.
func Printable(s string, most int) string {
	if len(s) > 4*most {
		s = s[:4*most]
	}
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	cut := most
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
