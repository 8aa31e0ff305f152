// Package filekind recognizes a file that is not plain text (gzip, UTF-16, JSON and
// others) by its first bytes, so that one error can name it instead of thousands of bad
// lines. It opens no files and reads no lists. Package feeds uses it; it imports
// nothing of voipbl.
package filekind

import (
	"bytes"

	"github.com/voipbl/voipbl/internal/lazyregexp"
)

// HeadSize is how many bytes of a file Of needs.
const HeadSize = 512

// A Kind is the type of a file. The zero value is plain text, as far as can be seen.
type Kind struct {
	Name   string // with its article: "a gzip file"
	Advice string // what to do with it

	// Binary is true if no part of the file can be read as lines. Other kinds, such as
	// JSON, may contain valid lines.
	Binary bool
}

// JSON is the name of that kind.
const JSON = "JSON"

const (
	unpack = "unpack it first"
	export = "export it as plain text, one address, network or range a line"
	asUTF8 = "save it as UTF-8"
)

// magic lists the kinds that begin with fixed bytes.
var magic = []struct {
	bytes string
	kind  Kind
}{
	{"\x1f\x8b", Kind{"a gzip file", unpack, true}},
	{"PK\x03\x04", Kind{"a zip file or a spreadsheet", unpack + ", or " + export, true}},
	{"PK\x05\x06", Kind{"a zip file with nothing in it", unpack, true}},
	{"\xfd7zXZ\x00", Kind{"an xz file", unpack, true}},
	{"\x28\xb5\x2f\xfd", Kind{"a zstd file", unpack, true}},
	{"BZh", Kind{"a bzip2 file", unpack, true}},
	{"7z\xbc\xaf\x27\x1c", Kind{"a 7z file", unpack, true}},
	{"\x04\x22\x4d\x18", Kind{"an lz4 file", unpack, true}},
	{"Rar!\x1a\x07", Kind{"a RAR file", unpack, true}},
	{"%PDF-", Kind{"a PDF document", export, true}},
	{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind{"an Office document", export, true}},
	{"{\\rtf", Kind{"an RTF document", export, true}},
	{"SQLite format 3\x00", Kind{"an SQLite database", export, true}},
	{"\x89PNG\r\n", Kind{"an image", export, true}},
	{"\xff\xd8\xff", Kind{"an image", export, true}},
	{"GIF8", Kind{"an image", export, true}},
	{"\x7fELF", Kind{"a program", export, true}},
}

// tarMagic is at tarOffset of a tar archive (POSIX.1-1988 ustar).
const (
	tarMagic  = "ustar"
	tarOffset = 257
)

// Text that is not a list. A list may begin with "[name]", like an INI file, so the
// text after the bracket decides.
var (
	isJSON = lazyregexp.New(`^(\[\s*([\[{"\]]|-?\d|$)|\{\s*(["}]|$))`)
	isHTML = lazyregexp.New(`(?i)^(<!--.*?-->\s*)*<(!doctype\s+html|html)\b`)
	isXML  = lazyregexp.New(`^<\?xml\b`)
)

// Of returns the kind of a file that begins with head.
func Of(head []byte) Kind {
	for _, m := range magic {
		if bytes.HasPrefix(head, []byte(m.bytes)) {
			return m.kind
		}
	}
	if len(head) >= tarOffset && bytes.HasPrefix(head[tarOffset:], []byte(tarMagic)) {
		return Kind{"a tar archive", unpack, true}
	}
	if k := wide(head); k.Name != "" {
		return k
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")))
	switch {
	case isJSON().Match(text):
		return Kind{JSON, export, false}
	case isHTML().Match(text):
		return Kind{"an HTML page", export, false}
	case isXML().Match(text):
		return Kind{"XML", export, false}
	}
	return Kind{}
}

// wide recognizes text with two or four bytes a character, with or without a byte order
// mark: every second byte of an address in it is NUL.
func wide(head []byte) Kind {
	nuls := bytes.Count(head, []byte{0})
	var odd int
	for i := 1; i < len(head); i += 2 {
		if head[i] == 0 {
			odd++
		}
	}
	half := len(head) / 2
	switch mark := bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")); {
	case len(head) > 0 && nuls == len(head):
		return Kind{"nothing but NUL bytes, as a crash leaves behind", "write it anew", true}
	case nuls > half+half/4:
		return Kind{"UTF-32 text", asUTF8, true}
	case mark && nuls > 0, half > 3 && nuls*10 >= half*9 && (odd*10 >= nuls*9 || odd*10 <= nuls):
		return Kind{"UTF-16 text", asUTF8, true}
	}
	return Kind{}
}
