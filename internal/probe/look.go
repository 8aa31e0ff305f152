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

// Look is one look at a machine: its root folder, its processes, and what could not be
// found out.
type Look struct {
	ctx       context.Context
	root      string    // the folder with the machine's files
	Processes []Process // running processes
	gaps      []Unknown // what could not be found out
}

// New begins a look at the machine with its files below root; "" means "/".
func New(ctx context.Context, root string) *Look {
	l := &Look{ctx: ctx, root: cmp.Or(root, "/")}
	var err error
	l.Processes, err = Processes()
	l.Unknown("the processes", err, "mount /proc")
	return l
}

// Real reports whether the root is "/", so that programs can be run, too.
func (l *Look) Real() bool { return filepath.Clean(l.root) == "/" }

// Unknowns returns what the look could not find out. The result is never nil.
func (l *Look) Unknowns() []Unknown { return append([]Unknown{}, l.gaps...) }

// maxUnknown is how many Unknowns one look keeps: a folder full of broken files is one
// problem.
const maxUnknown = 100

// Unknown records what could not be found out, with the error's own remedy or else the
// given one.
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
