package feeds

import (
	"io"
	"iter"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/fetch"
)

// EachLine calls see for each line of a feed's last good copy.
func EachLine(store *fetch.Store, feed string, see func(part fetch.Part, sc *cidr.Scanner)) error {
	c, err := store.Open(feed)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := eachLine(c.Parts(), see); err != nil {
		return err
	}
	return c.Verify()
}

// EachLine calls see for each line of the feed as it was read. In a dry run that may be newer than its
// last good copy.
func (f *Feed) EachLine(store *fetch.Store, see func(part fetch.Part, sc *cidr.Scanner)) error {
	if f.staged != nil {
		return eachLine(f.staged.Parts(), see)
	}
	return EachLine(store, f.Name, see)
}

func eachLine(parts iter.Seq2[fetch.Part, io.Reader], see func(part fetch.Part, sc *cidr.Scanner)) error {
	for part, in := range parts {
		sc := cidr.NewScanner(in)
		for sc.Scan() {
			see(part, sc)
		}
		if err := sc.Err(); err != nil {
			return err
		}
	}
	return nil
}

// discard removes a staged file, unless a dry run keeps it for [Feed.EachLine].
func (f *Feed) discard(staged *fetch.Staged) {
	if f.staged != staged {
		staged.Discard()
	}
}

// Close removes what a dry run has kept of the feed.
func (f *Feed) Close() {
	if f.staged != nil {
		f.staged.Discard()
		f.staged = nil
	}
}
