package asterisk

import (
	"errors"
	"fmt"
	"slices"
)

// several is one error for a list of them, which says the first few; nil if there
// is none.
func several(errs []error) error {
	const most = 3
	if len(errs) > most {
		more := fmt.Errorf("and %d more", len(errs)-most)
		errs = append(slices.Clone(errs[:most]), more)
	}
	return errors.Join(errs...)
}
