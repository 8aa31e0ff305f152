package asterisk

import (
	"errors"
	"fmt"
	"slices"
)

// several combines errors into one that has the text of the first few. It returns nil for none.
func several(errs []error) error {
	const most = 3
	if len(errs) > most {
		more := fmt.Errorf("and %d more", len(errs)-most)
		errs = append(slices.Clone(errs[:most]), more)
	}
	return errors.Join(errs...)
}
