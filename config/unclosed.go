package config

import (
	"strings"

	"github.com/goccy/go-yaml/token"
)

// What is opened and not closed is found out at its end by a parser, which may be far below. An
// admin has to look where it was opened.

// brackets follows the brackets of a text.
type brackets struct {
	open  []*token.Token // that are not closed yet
	quote *token.Token   // the first text in quotes that goes on over the end of a line
}

// partner is what closes a bracket.
var partner = map[token.Type]token.Type{token.SequenceStartType: token.SequenceEndType, token.MappingStartType: token.MappingEndType}

// see takes the next token, and reports what cannot be right.
func (b *brackets) see(tk *token.Token) (place, *fault) {
	switch tk.Type {
	case token.SequenceStartType, token.MappingStartType:
		b.open = append(b.open, tk)
	case token.SequenceEndType, token.MappingEndType:
		if len(b.open) == 0 {
			break // the parser has a word for it
		}
		last := b.open[len(b.open)-1]
		if partner[last.Type] != tk.Type {
			return b.unclosed(last)
		}
		b.open = b.open[:len(b.open)-1]
	case token.SingleQuoteType, token.DoubleQuoteType:
		if b.quote == nil && strings.Contains(strings.TrimSpace(tk.Origin), "\n") {
			b.quote = tk
		}
	}
	return place{}, nil
}

// end reports what was never closed.
func (b *brackets) end() (place, *fault) {
	if len(b.open) == 0 {
		return place{}, nil
	}
	return b.unclosed(b.open[len(b.open)-1])
}

// unclosed is about a bracket, or about a quote before what is wrong: one that is not closed ends
// at the next one, wherever that is.
func (b *brackets) unclosed(tk *token.Token) (place, *fault) {
	if at, f := b.openQuote(); f != nil {
		return at, f
	}
	closing := map[token.Type]string{token.SequenceStartType: `"]"`, token.MappingStartType: `"}"`}[tk.Type]
	return tokenPlace(tk), faultf("expected "+closing+" where it ends", "the bracket that opens here is not closed")
}

// openQuote is a quote that may not have been closed.
func (b *brackets) openQuote() (place, *fault) {
	if b.quote == nil {
		return place{}, nil
	}
	return tokenPlace(b.quote), unclosedQuote()
}

func unclosedQuote() *fault {
	return faultf("expected another one where the text ends, on the same line", "the quote that opens here is not closed")
}
