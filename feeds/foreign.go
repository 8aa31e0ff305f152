package feeds

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/form"
	"github.com/voipbl/voipbl/internal/filekind"
	"github.com/voipbl/voipbl/internal/problem"
)

// foreign is a part of a feed that is not a list.
type foreign struct {
	part string // URL or path
	kind filekind.Kind

	// remedy is what to write into the configuration, if that makes it one.
	remedy string
}

func (f foreign) String() string {
	switch {
	case f.kind.Name == "":
		return "no line of it is an entry"
	case f.remedy != "":
		return "it is " + f.kind.Name
	}
	return fmt.Sprintf("it is %s: %s", f.kind.Name, f.kind.Advice)
}

// readers are the buffers for reading parts, kept for the next part: a host may have hundreds of
// feeds, most of them much shorter than one buffer.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, cidr.BufferSize) }}

// bytesPerEntry is the length of a list's line in bytes, rounded down: real lists have 14 to
// 17, but their beginnings less. It is only used to allocate memory before anything was read.
const bytesPerEntry = 14

// linesOf returns how many lines a part probably has, by those at its beginning, or somewhat
// more. To allocate too little costs more than too much: it is allocated anew, and copied.
func linesOf(head []byte, size int64) int {
	lines := int64(bytes.Count(head, []byte{'\n'})) + 1
	if rest := size - int64(len(head)); rest > 0 && len(head) > 0 {
		lines += lines * rest / int64(len(head))
		lines += lines >> 5
	}
	return int(lines)
}

// readPart reads one part of a body. If the part cannot be a list, it reads only the
// beginning.
func (c *content) readPart(part fetch.Part, in io.Reader, policy cidr.Policy, b *cidr.Builder) (cidr.Tally, error) {
	r := readers.Get().(*bufio.Reader)
	r.Reset(in)
	defer func() { r.Reset(nil); readers.Put(r) }()
	head, end := r.Peek(cidr.BufferSize) // reading on returns an error again
	if other := (*form.Mismatch)(nil); errors.As(end, &other) {
		c.foreign = append(c.foreign, foreign{part.Name, filekind.Kind{Name: other.Kind}, other.Advice})
		return cidr.Tally{Declared: cidr.NoTotal}, nil
	}
	kind := filekind.Of(head[:min(len(head), filekind.HeadSize)])
	if c.kind.Name == "" {
		c.kind = kind
	}
	if kind.Binary {
		c.foreign = append(c.foreign, foreign{part: part.Name, kind: kind})
		return cidr.Tally{Declared: cidr.NoTotal}, nil
	}
	size := part.Size
	if end != nil {
		size = 0
	}
	b.Grow(cidr.IPv4, min(linesOf(head, size), policy.MaxPrefixes))
	t, err := cidr.Read(r, policy, b)
	if err == nil && t.Lines > 0 && t.Malformed() == t.Lines {
		c.foreign = append(c.foreign, foreign{part: part.Name, kind: kind})
	}
	return t, err
}

// notAList adds to judge's verdict what kind of file the body is, if that is known.
func (c content) notAList(v verdict) verdict {
	if v.reason == ReasonNotAList && c.kind.Name != "" {
		v.why = fmt.Sprintf("it is %s (%s): %s", c.kind.Name, v.why, c.kind.Advice)
	}
	return v
}

// foreignVerdict refuses what a URL returned if it is known not to be a list.
func foreignVerdict(body content) verdict {
	for _, f := range body.foreign {
		if f.kind.Name != "" {
			return verdict{ReasonNotAList, f.String(), f.remedy}
		}
	}
	return verdict{}
}

// foreignFiles is the problem of a path feed that has files that are not lists; nil if it has
// none. The other files are in force; if there are none, the feed has failed.
func foreignFiles(body content) *problem.Problem {
	if len(body.foreign) == 0 {
		return nil
	}
	why, remedy := []string{}, ""
	for _, f := range body.foreign {
		why, remedy = append(why, f.part+": "+f.String()), cmp.Or(remedy, f.remedy)
	}
	const most = 3
	if n := len(why) - most; n > 0 {
		why = append(why[:most], fmt.Sprintf("and %d more", n))
	}
	return &problem.Problem{Reason: string(ReasonNotAList), Error: strings.Join(why, "; "), Remedy: cmp.Or(remedy, remedyFor(ReasonNotAList))}
}
