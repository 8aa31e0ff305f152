package probe

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

// Look is a look at a machine that is under way: where its files are, what runs on it, and
// what could not be found out.
type Look struct {
	ctx       context.Context
	root      string    // the folder that its files are below
	Processes []Process // that run on it
	gaps      []Unknown // what could not be found out
}

// New begins a look at the machine whose files are below a folder; empty means "/".
func New(ctx context.Context, root string) *Look {
	l := &Look{ctx: ctx, root: cmp.Or(root, "/")}
	var err error
	l.Processes, err = Processes()
	l.Unknown("the processes", err, "mount /proc")
	return l
}

// Real reports whether the files are those of the machine, so that its programs
// may be asked too.
func (l *Look) Real() bool { return filepath.Clean(l.root) == "/" }

// Unknowns are what the look could not find out. It is never nil.
func (l *Look) Unknowns() []Unknown { return append([]Unknown{}, l.gaps...) }

// maxUnknown bounds what is told about one look: a folder full of broken files is
// one trouble.
const maxUnknown = 100

// Unknown notes what could not be found out, with the error's own remedy or else
// with the one given.
func (l *Look) Unknown(what string, err error, remedy string) {
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
