package config

import (
	"strings"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

// nextMark stands in a URL for the name of a page. It has the name of the first one.
var nextMark = lazyregexp.New(`\{next:([A-Za-z0-9._~-]*)\}`)

const nextExample = `expected a name, or names with dots between them, such as "meta.next"`

// pages checks the key that says which page of a list is next.
func (r *reader) pages(key string, raw *rawFeed, f *Feed) {
	read(r, key+".next", raw.Next, &f.Next, parseNext)
	marked := len(nextMark().FindAllString(string(f.URL), -1)) == 1
	switch {
	case r.written(key+".next") && f.Form.Format != FormatJSON:
		r.fail(key+".next", faultf("expected it beside \"format: json\"", "only a list in that format has this key"))
	case r.written(key+".next") && !marked && f.URL != "":
		r.fail(key+".next", faultf("expected {next:FIRST} in the url, where the page is named, with the name of the first one", "the url says nowhere which page is asked for"))
	case !r.written(key+".next") && strings.Contains(string(f.URL), "{next:"):
		r.fail(key+".url", faultf("expected the field that names the next page beside it, such as \"next: ID\"", "{next: in the url without next"))
	}
}

func parseNext(s string) (string, *fault) {
	fields, f := parseFields(s)
	if f != nil || len(fields) != 1 || strings.Contains(s, "[]") {
		return "", faultf(nextExample, "bad field (%s)", quote(s))
	}
	return s, nil
}

// Page returns the URL of a page, or that of the first one. A list without pages has one.
func (f Feed) Page(name string) string {
	return nextMark().ReplaceAllStringFunc(string(f.URL), func(mark string) string {
		if name == "" {
			return nextMark().FindStringSubmatch(mark)[1]
		}
		return name
	})
}
