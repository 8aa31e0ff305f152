package show

import (
	"fmt"

	"github.com/voipbl/voipbl/screen"
)

// Shape says with how many prefix lengths a set of the lists is written in the kernel, if that is
// not as the lists have it; else it is "". own and kernel are the numbers of entries.
func Shape(own, kernel int, ownLengths, kernelLengths []int) string {
	if own == kernel && len(ownLengths) == len(kernelLengths) {
		return ""
	}
	return fmt.Sprintf("%s, %s in the kernel, with %s instead of %d",
		screen.Plural(own, "entry", "entries"), screen.Count(kernel), screen.Plural(len(kernelLengths), "prefix length", "prefix lengths"), len(ownLengths))
}
