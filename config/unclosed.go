package config

import (
	"strings"

	"github.com/goccy/go-yaml/token"
)

// A parser reports an unclosed bracket or quote at the end of the text, which may be far
// below. The code in this file reports where it was opened.

// brackets tracks the open brackets and quotes of a text.
type brackets struct {
	open  []*token.Token // not closed yet
	quote *token.Token   // the first quoted text that spans more than one line
}

// partner maps an opening bracket to the one that closes it.
var partner = map[token.Type]token.Type{token.SequenceStartType: token.SequenceEndType, token.MappingStartType: token.MappingEndType}

// see takes the next token, and reports a bracket that closes nothing or the wrong one.
func (b *brackets) see(tk *token.Token) (place, *fault) {
	switch tk.Type {
	case token.SequenceStartType, token.MappingStartType:
		b.open = append(b.open, tk)
	case token.SequenceEndType, token.MappingEndType:
		if len(b.open) == 0 {
			break // the parser reports it
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

// end reports a bracket that was never closed.
func (b *brackets) end() (place, *fault) {
	if len(b.open) == 0 {
		return place{}, nil
	}
	return b.unclosed(b.open[len(b.open)-1])
}

// unclosed returns the error for the bracket tk, or for an unclosed quote before it: such a
// text ends at the next quote, wherever that is.
func (b *brackets) unclosed(tk *token.Token) (place, *fault) {
	if at, f := b.openQuote(); f != nil {
		return at, f
	}
	closing := map[token.Type]string{token.SequenceStartType: `"]"`, token.MappingStartType: `"}"`}[tk.Type]
	return tokenPlace(tk), faultf("expected "+closing+" where it ends", "the bracket that opens here is not closed")
}

// openQuote returns the error for a quote that may be unclosed.
func (b *brackets) openQuote() (place, *fault) {
	if b.quote == nil {
		return place{}, nil
	}
	return tokenPlace(b.quote), unclosedQuote()
}

func unclosedQuote() *fault {
	return faultf("expected another one where the text ends, on the same line", "the quote that opens here is not closed")
}
