package config

import "strings"

// The messages of the YAML parser are for programmers, so none of them is shown. This file
// has words for an admin instead.

// yamlWords maps words in the parser's message to a fault; the first match counts.
var yamlWords = []struct {
	said  []string
	fault *fault
}{
	{[]string{"could not find end character of "}, unclosedQuote()},
	{[]string{"tab character", "character '\t'"}, faultf("expected blanks: YAML takes no tabs to indent", "a tab")},
	{[]string{"is a reserved character"}, faultf("expected quotes around it", `text that begins with "@" or "`+"`"+`"`)},
	{[]string{"escape character", "escaped UTF", "surrogate"}, faultf("expected single quotes, in which it means nothing", "a backslash in double quotes that YAML does not know")},
	{[]string{"could not find '[' ", "could not find '{' "}, faultf("expected one that opens before it", "the bracket that closes here was not opened")},
	{[]string{"',' or ", "found ','"}, faultf(`expected one "," between two`, "a comma between elements is missing, or there is one too many")},
	{[]string{"mapping value is not allowed", "map key", "key name", "mapping key", "map value", "key-value"},
		faultf(`expected one key on a line, and quotes around text with ": " in it`, "a key, or a colon, where none can be")},
	{[]string{"not allowed in this context", "non-map value", "unexpected scalar", "invalid key", "block sequence", "implicit line break"},
		faultf("expected the same indentation for all that belongs together", "this does not fit what stands above it")},
}

// yamlFault returns the fault for a message of the parser.
func yamlFault(said string) *fault {
	for _, w := range yamlWords {
		for _, s := range w.said {
			if strings.Contains(said, s) {
				return w.fault
			}
		}
	}
	return faultf(`expected YAML, such as "set: voip_bl"`, "this is not understood")
}
