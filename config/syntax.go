package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// maxFile is the size in bytes of the largest file that is parsed: enough for every list
	// at its full length.
	maxFile = 1 << 20

	// maxDepth is how deep lists and mappings may nest. The file needs five levels. The
	// parser's time and memory grow with the square of the depth, so a file of brackets would
	// exhaust both.
	maxDepth = 16

	// maxBlank is how many empty lines in a row are allowed. The scanner's time grows with
	// the square of that number.
	maxBlank = 100

	// maxKeys is how many keys the whole file may have: more than the most feeds and services
	// need. The parser's time grows with the square of the keys of a mapping.
	maxKeys = 1 << 12

	// maxElements is how many dashes and commas the file may have: more than all lists at
	// their full length need. The parser's time grows with the square of the empty elements.
	maxElements = 1 << 15
)

// syntax parses the text. The tree is nil if the text is empty; ok is false after an error.
func (r *reader) syntax(text []byte) (root ast.Node, ok bool) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin a file with this mark
	at, f := checkText(text)
	if f == nil {
		tokens := lexer.Tokenize(string(text))
		var open brackets
		if at, f = checkTokens(tokens, &open); f == nil {
			root, at, f = parseTokens(tokens)
		}
		if quoteAt, quote := open.openQuote(); f != nil && quote != nil {
			at, f = quoteAt, quote
		}
	}
	if f != nil {
		r.failAt(at, "", f)
		return nil, false
	}
	return root, true
}

// checkText refuses bytes that cannot be YAML text.
func checkText(text []byte) (place, *fault) {
	if len(text) > maxFile {
		return place{}, faultf("expected a file of at most 1 MiB", "the file has %d bytes", len(text))
	}
	at := place{1, 1}
	blank := 0
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			return at, faultf("expected UTF-8 text", "byte 0x%02x is not UTF-8", text[i])
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0x7f:
			return at, faultf("expected text without control characters", "control character 0x%02x", c)
		}
		if i += size; c != '\n' {
			if at.column++; c > ' ' {
				blank = 0
			}
			continue
		}
		at = place{at.line + 1, 1}
		if blank++; blank > maxBlank+1 { // the first line end may be that of a line with text
			return at, faultf("expected fewer", "more than %d empty lines in a row", maxBlank)
		}
	}
	return place{}, nil
}

// unsupported are the parts of YAML that the file does not need. Anchors let a small text
// expand to a huge one; these and the others move a value away from the place where it is
// used.
var unsupported = map[token.Type]string{
	token.AnchorType:     "anchors (&)",
	token.AliasType:      "aliases (*)",
	token.TagType:        "tags (!)",
	token.DirectiveType:  "directives (%)",
	token.MergeKeyType:   "merge keys (<<)",
	token.MappingKeyType: "complex keys (?)",
}

// checkTokens refuses tokens that would harm the parser or make no sense in this file, before
// the parser sees them.
func checkTokens(tokens token.Tokens, open *brackets) (place, *fault) {
	var (
		flow   int   // depth in [] and {}
		block  []int // columns of the lists and mappings that indentation has opened
		keys   int
		items  int
		line   int // of the previous token
		inside bool
		ended  bool
	)
	for _, tk := range tokens {
		if tk.Type == token.CommentType {
			continue
		}
		at := tokenPlace(tk)
		if what, ok := unsupported[tk.Type]; ok {
			return at, faultf("expected every value written out in its place", "YAML %s are not supported", what)
		}
		if ended || inside && tk.Type == token.DocumentHeaderType {
			return at, faultf("expected one; remove what follows", "a second YAML document begins")
		}
		inside = true
		if at, f := open.see(tk); f != nil {
			return at, f
		}
		switch tk.Type {
		case token.DocumentEndType:
			ended = true
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(0, flow-1)
		case token.MappingValueType:
			keys++
		case token.SequenceEntryType, token.CollectEntryType:
			items++
		}
		if flow == 0 && (at.line != line || tk.Type == token.SequenceEntryType) {
			for len(block) > 0 && block[len(block)-1] >= at.column {
				block = block[:len(block)-1]
			}
			block = append(block, at.column)
		}
		line = at.line
		if flow+len(block) > maxDepth {
			return at, faultf("expected at most 16", "more than %d levels of lists and mappings", maxDepth)
		}
		if keys > maxKeys {
			return at, faultf("expected at most 4096", "more than %d keys", maxKeys)
		}
		if items > maxElements {
			return at, faultf("expected at most 32768", "more than %d list elements", maxElements)
		}
	}
	return open.end()
}

// parseTokens runs the YAML parser. The decoder finds duplicate keys itself, with better errors.
func parseTokens(tokens token.Tokens) (ast.Node, place, *fault) {
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		e, ok := errors.AsType[yaml.Error](err)
		if !ok {
			return nil, place{}, yamlFault("")
		}
		return nil, tokenPlace(e.GetToken()), yamlFault(e.GetMessage())
	}
	if len(file.Docs) == 0 {
		return nil, place{}, nil
	}
	return file.Docs[0].Body, place{}, nil
}

// printable makes the parser's message one short line.
func printable(msg string) string {
	msg = strings.ReplaceAll(msg, "\t", `\t`) // so that a tab in an indentation is seen
	return shorten(strings.Join(strings.Fields(msg), " "))
}

func tokenPlace(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return place{}
	}
	return place{tk.Position.Line, tk.Position.Column}
}
