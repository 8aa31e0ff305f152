package connect

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/asterisk"
)

// rights are who may read and write a file.
type rights struct {
	uid, gid int
	mode     fs.FileMode
}

// secret returns the rights of a file with a secret in it: others have none, and Asterisk can read it.
// A nil file is a new one.
func secret(old *text, reader asterisk.Account) rights {
	group := 0
	if len(reader.GIDs) > 0 {
		group = reader.GIDs[0]
	}
	if old == nil {
		return rights{gid: group, mode: 0o640}
	}
	now := rights{old.uid, old.gid, old.mode &^ 0o007}
	if reader.UID == 0 || now.uid == reader.UID && now.mode&0o400 != 0 ||
		slices.Contains(reader.GIDs, now.gid) && now.mode&0o040 != 0 {
		return now
	}
	return rights{now.uid, group, now.mode&0o600 | 0o440}
}

// Lines within voipbl's own that say how a file was before, for disconnect.
const (
	wasNone     = "; voipbl: there was no such file\n"
	wasNoFolder = "; voipbl: there was no such folder\n"
	wasRights   = "; voipbl: before, it had mode %o and the group %d\n"
)

// before returns the line for a file that gets other rights, "" for one that keeps them.
func before(old *text, next rights) string {
	switch {
	case old == nil:
		return wasNone
	case next != old.rights:
		return fmt.Sprintf(wasRights, old.mode, old.gid)
	}
	return ""
}

// noted returns the line that [before] has written into a text, "" if there is none, and whether
// voipbl's lines are in it at all.
func noted(text string) (line string, ours bool) {
	if isOlder(text) {
		return wasNone, true
	}
	for l := range strings.Lines(text) {
		_, _, ok := parseRights(l)
		switch {
		case strings.HasPrefix(l, blockBegins):
			ours = true
		case ours && (ok || l == wasNone):
			return l, true
		}
	}
	return "", ours
}

// parseRights reads a line of [before].
func parseRights(line string) (mode fs.FileMode, gid int, ok bool) {
	n, err := fmt.Sscanf(line, wasRights, &mode, &gid)
	return mode, gid, err == nil && n == 2 && mode == mode.Perm() && gid >= 0
}

// restored returns the rights of a file that voipbl's lines are taken out of.
func restored(old *text) rights {
	if old == nil {
		return rights{}
	}
	line, _ := noted(old.content)
	if mode, gid, ok := parseRights(line); ok {
		return rights{old.uid, gid, mode}
	}
	return old.rights
}
