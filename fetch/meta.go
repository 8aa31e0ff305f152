package fetch

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"
)

// metaMark begins the trailer. A copy's file is the body as received, a newline if it
// does not end with one, and the trailer as its last line:
//
//	# voipbl-meta CRC {JSON}
//
// CRC is the CRC-32 (IEEE) of the JSON, in eight hexadecimal digits. The JSON is a
// [Meta] with the SHA-256 of the body. So one rename replaces the list together with
// its metadata, every byte of the file is checked, and people and tools that read the
// file as a list see one more comment.
const metaMark = "# voipbl-meta "

const (
	metaVersion = 1
	// maxTrailer is the longest trailer in bytes, for writing and reading. It is enough
	// for about ten thousand parts.
	maxTrailer = 1 << 20
)

// A Meta is the metadata of a copy.
type Meta struct {
	Version      int       `json:"version"` // of the trailer: 1
	Source       string    `json:"source"`  // the URL without userinfo, or the path pattern
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
	FetchedAt    time.Time `json:"fetched_at"`
	Size         int64     `json:"size"`   // of the body, in bytes
	SHA256       string    `json:"sha256"` // of the body, in lowercase hexadecimal
	Entries      int       `json:"entries"`
	Entries6     int       `json:"entries6"`
	Rejects      int       `json:"rejects"`
	Effective    int       `json:"effective"` // entries outside of special-purpose space, repetitions not counted
	Parts        []Part    `json:"parts"`     // in their order; their sizes add up to Size
}

// A Part is one source of a feed's body: the URL, or one of a path's files.
type Part struct {
	Name string `json:"name"` // URL without userinfo, or full path
	Size int64  `json:"size"` // in bytes
}

// trailer returns the line that ends a copy's file.
func (m Meta) trailer() ([]byte, error) {
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false) // keeps a URL's & readable
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(doc.Bytes(), []byte("\n"))
	line := fmt.Appendf(nil, "%s%08x %s\n", metaMark, crc32.ChecksumIEEE(text), text)
	if len(line) > maxTrailer {
		return nil, fmt.Errorf("%d files are too many to keep a copy of", len(m.Parts))
	}
	return line, nil
}

// parseTrailer reads the trailer, without its newline. If it is not valid, why says so.
func parseTrailer(line []byte) (m Meta, why string) {
	line, ok := bytes.CutPrefix(line, []byte(metaMark))
	if !ok {
		return m, "its last line is not the trailer"
	}
	sum, text, _ := bytes.Cut(line, []byte(" "))
	if string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(text)) {
		return m, "its trailer does not match its checksum"
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, "its trailer is not valid: " + err.Error()
	}
	if m.Version != metaVersion {
		return m, fmt.Sprintf("its trailer is of version %d, not %d", m.Version, metaVersion)
	}
	if sum, err := hex.DecodeString(m.SHA256); err != nil || len(sum) != 32 {
		return m, "its SHA-256 is not one"
	}
	rest := m.Size
	for _, part := range m.Parts {
		if part.Size < 0 || part.Size > rest {
			return m, "the sizes of its parts do not add up"
		}
		rest -= part.Size
	}
	if rest != 0 {
		return m, "the sizes of its parts do not add up"
	}
	return m, ""
}
