package host

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Unknown is something that could not be found out.
type Unknown struct {
	What   string `json:"what"` // such as "the jails of fail2ban"
	Error  string `json:"error"`
	Remedy string `json:"remedy,omitempty"`
}

// looker is a look at a machine that is under way.
type looker struct {
	ctx       context.Context
	root      string    // the folder that its files are below
	processes []Process // that run on it
	gaps      []Unknown // what could not be found out
}

// newLooker begins a look at the machine whose files are below a folder; empty means "/".
func newLooker(ctx context.Context, root string) *looker {
	l := &looker{ctx: ctx, root: cmp.Or(root, "/")}
	var err error
	l.processes, err = Processes()
	l.unknown("the processes", err, "mount /proc")
	return l
}

// real reports whether the files are those of the machine, so that its programs
// may be asked too.
func (l *looker) real() bool { return filepath.Clean(l.root) == "/" }

// unknowns are what could not be found out, none of it null.
func (l *looker) unknowns() []Unknown { return append([]Unknown{}, l.gaps...) }

// maxUnknown bounds what is told about one look: a folder full of broken files is
// one trouble.
const maxUnknown = 100

// unknown notes what could not be found out, with the error's own remedy or else
// with the one given.
func (l *looker) unknown(what string, err error, remedy string) {
	if err == nil || len(l.gaps) >= maxUnknown {
		return
	}
	var own interface{ Remedy() string }
	switch {
	case errors.As(err, &own):
		remedy = own.Remedy()
	case errors.Is(err, os.ErrPermission):
		remedy = "run it as root"
	}
	l.gaps = append(l.gaps, Unknown{What: what, Error: strings.ReplaceAll(err.Error(), "\n", "; "), Remedy: remedy})
}
