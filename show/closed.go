package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/screen"
)

// shownNetworks is how many networks are shown that still reach a listener.
const shownNetworks = 2

// Closed shows the listeners that the base rules close, or would close, and how to open them.
func Closed(on *screen.Screen, closed []lockout.Closed, notYet bool) {
	if len(closed) == 0 {
		return
	}
	fmt.Fprintf(on.Out, "the base rules %s:\n", closedWords(closed, notYet))
	t := screen.Table{Right: []int{2}}
	t.Row("  program", "protocol", "port", "address", "still open to")
	var remedies []string
	for _, c := range closed {
		port, by := "", c.By()
		if c.Port > 0 {
			port = fmt.Sprint(c.Port)
		}
		if c.VPN != "" && c.VPN != by {
			by += " (" + c.VPN + ")"
		}
		t.Row("  "+screen.Clean(by), c.Proto, port, c.Addr.String(), OpenTo(c))
		if !slices.Contains(remedies, c.Remedy) {
			remedies = append(remedies, c.Remedy)
		}
	}
	t.Print(on.Out)
	used := false
	for _, c := range closed {
		if words := c.UsersWords(); words != "" {
			on.Folded("  " + words)
			used = true
		}
	}
	if used {
		fmt.Fprintln(on.Out, "  what goes on there may go on, but is not let in again")
	}
	fmt.Fprintln(on.Out, "  to open one for everyone:")
	for _, r := range remedies {
		fmt.Fprintln(on.Out, "    "+screen.Clean(r))
	}
}

// closedWords counts the listeners that are closed to everyone, and those that some networks still
// reach.
func closedWords(closed []lockout.Closed, notYet bool) string {
	toAll, toSome := 0, 0
	for _, c := range closed {
		if len(c.OpenTo) == 0 {
			toAll++
		} else {
			toSome++
		}
	}
	words := "close " + screen.Plural(toAll, "listener", "listeners")
	switch {
	case toSome > 0 && toAll > 0:
		words += fmt.Sprintf(", and leave %d open to networks alone", toSome)
	case toSome > 0:
		words = "leave " + screen.Plural(toSome, "listener", "listeners") + " open to networks alone"
	}
	if notYet {
		words = "would " + words
	}
	return words
}

// OpenToNobody is what [OpenTo] says of a listener that nobody reaches.
const OpenToNobody = "nobody"

// OpenTo says in a few words who still reaches a listener that the base rules close.
func OpenTo(c lockout.Closed) string {
	var all []string
	for _, p := range c.OpenTo {
		all = append(all, screen.Prefix(p))
	}
	switch {
	case len(all) == 0:
		return OpenToNobody
	case len(all) > shownNetworks:
		return fmt.Sprintf("%s and %d more", strings.Join(all[:shownNetworks], ", "), len(all)-shownNetworks)
	}
	return strings.Join(all, ", ")
}
