package problem

import (
	"errors"
	"io/fs"
	"os"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
)

// lacksRights reports whether an error means that this process lacks rights that root has.
// Then the file, folder or family in the error is not at fault, and its remedies do not
// help.
func lacksRights(err error) bool {
	return os.Geteuid() != 0 && (errors.Is(err, fs.ErrPermission) || errors.Is(err, ipsetsync.ErrPermission) || errors.Is(err, firewall.ErrForbidden))
}

// RemedyOf returns what to do about an error: the remedy for the process or the host if that
// is the cause, otherwise the error's own remedy, otherwise the one for a shortage.
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

// outerRemedy returns the remedy for an error that the process itself causes; "" for other
// errors.
func outerRemedy(err error) string {
	switch {
	case lacksRights(err):
		return "run it as root"
	case lacksFiles(err):
		return ShortageRemedy(err)
	}
	return ""
}
