package problem

import (
	"errors"
	"io/fs"
	"os"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// lacksRights reports whether an error is for want of rights that root has, in a process
// that is not root's. It says nothing about the file, folder or family that was met by it,
// and their remedies are none then.
func lacksRights(err error) bool {
	return os.Geteuid() != 0 && (errors.Is(err, fs.ErrPermission) || errors.Is(err, ipsetsync.ErrPermission) || errors.Is(err, firewall.ErrForbidden))
}

// RemedyOf is what to do about an error: what ends the trouble of the process or of the host
// that it comes from, what it says itself, or what ends a shortage.
func RemedyOf(err error) string {
	if first := outerRemedy(err); first != "" {
		return first
	}
	var remedied interface{ Remedy() string }
	if errors.As(err, &remedied) && remedied.Remedy() != "" {
		return remedied.Remedy()
	}
	return ShortageRemedy(err)
}

// outerRemedy is that of an error that comes from the process and not from what it was about;
// empty if it does not.
func outerRemedy(err error) string {
	switch {
	case lacksRights(err):
		return "run it as root"
	case lacksFiles(err):
		return ShortageRemedy(err)
	}
	return ""
}
