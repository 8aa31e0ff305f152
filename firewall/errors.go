package firewall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/ruleset"
)

// sealedToolError says that a program of iptables exists but may not be executed. The rules that
// it has made may still be there.
type sealedToolError struct{ Path string }

func (e *sealedToolError) Error() string { return e.Path + " is there, and may not be run" }

// Remedy says what to do about it.
func (e *sealedToolError) Remedy() string {
	return fmt.Sprintf("make it executable with \"chmod 755 %s\", or \"apt-get install --reinstall iptables\"", e.Path)
}

// ToolError says that a tool of iptables failed.
type ToolError struct {
	Tool string // with its arguments
	Code int    // exit code; -1 if it was killed
	Said string // what it printed on stderr
	Text string // what it was to restore; empty for a listing
}

func (e *ToolError) Error() string {
	said := strings.TrimSpace(e.Said)
	if said == "" {
		said = fmt.Sprintf("exit code %d without a word", e.Code)
	}
	return e.Tool + ": " + firstWords(said)
}

// firstWords returns the meaningful lines of a tool's message.
func firstWords(said string) string {
	var kept []string
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "Try `") || strings.HasPrefix(line, "# Warning: ") {
			continue
		}
		kept = append(kept, strings.TrimSuffix(line, ":"))
	}
	return strings.Join(kept, ": ")
}

// ErrLocked says that another program holds the lock of legacy iptables.
var ErrLocked = errors.New("another program holds the xtables lock")

// ErrForbidden says that a tool of iptables lacks rights.
var ErrForbidden = errors.New("the tool lacks rights")

// Unwrap returns the cause, as far as the tool's message tells it. Of a listing, such a message
// means that the host lacks something; a restore may also be refused so for its text.
func (e *ToolError) Unwrap() error {
	switch {
	case strings.Contains(e.Said, "xtables lock"):
		return ErrLocked
	case e.forbidden():
		return ErrForbidden
	case e.Text != "":
		return nil
	case strings.Contains(e.Said, "No buffer space"):
		return unix.ENOBUFS
	case strings.Contains(e.Said, "Cannot allocate memory"), strings.Contains(e.Said, "Memory allocation problem"):
		return unix.ENOMEM
	case e.Code < 0: // killed, as the kernel does when memory runs out
		return unix.EINTR
	}
	return nil
}

// forbidden reports whether the tool says that it lacks rights.
func (e *ToolError) forbidden() bool {
	return slices.ContainsFunc([]string{"ermission denied", "peration not permitted", "Can't open socket to ipset"}, func(words string) bool { return strings.Contains(e.Said, words) })
}

// slowToolError says that a tool of iptables has not finished in time.
type slowToolError struct{ Tool string }

func (e *slowToolError) Error() string {
	return fmt.Sprintf("%s: has not ended in %v", e.Tool, toolTimeout)
}

// Unwrap returns the cause, a timeout.
func (e *slowToolError) Unwrap() error { return context.DeadlineExceeded }

// Remedy says what to do about it.
func (e *slowToolError) Remedy() string {
	return "\"ps -ef\" and \"journalctl -k\" show what it waits for: end that, and try again"
}

// Passing reports whether rules cannot be listed only for the moment. If they never can be, as
// on a kernel that lacks a part of IPv6, waiting is no use.
func Passing(err error) bool {
	return isShortage(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrLocked) || errors.Is(err, errListings) || errors.Is(err, nft.ErrChanging)
}

// Remedy says what to do about it, as far as the tool's words tell.
func (e *ToolError) Remedy() string {
	said := e.Said
	switch {
	case errors.Is(e, ErrLocked):
		return "find it with \"fuser -v /run/xtables.lock\", wait until it has finished, and try again"
	case errors.Is(e, ErrForbidden):
		return "run it as root, or give it CAP_NET_ADMIN and CAP_NET_RAW in the host's own user namespace"
	case strings.Contains(said, "Couldn't load match") || strings.Contains(said, "Couldn't load target"):
		return "this extension of iptables is missing: reinstall it with \"apt-get install --reinstall iptables\""
	case strings.Contains(said, "Table does not exist") || strings.Contains(said, "can't initialize"):
		return "the kernel has no such table: load it with \"modprobe " + tableModule(e.Tool, said) + "\"; in a container, load it on the host"
	case strings.Contains(said, "The protocol family of set"):
		return "a set of that name and of the other family stands in the way: see \"ipset list -terse\", and destroy or rename it"
	case strings.Contains(said, "Set ") && strings.Contains(said, "doesn't exist"):
		return "run \"voipbl sync\", which makes the sets; if it fails, another program removes them: find it"
	case strings.Contains(said, "Too many links"):
		return "a chain that our rules go to leads back to them: look for a rule that jumps to a " + iptables.ChainPrefix + " chain with \"iptables-save | grep " + iptables.ChainPrefix + "\""
	case strings.Contains(said, "Device or resource busy"):
		return "a rule that is not ours uses one of our chains: find it with \"iptables-save | grep " + iptables.ChainPrefix + "\" and take it out"
	}
	if modules := e.missingModules(); len(modules) > 0 {
		return "the kernel lacks a match that the rule needs: load it with \"modprobe " + strings.Join(modules, " ") + "\"; on Ubuntu's small kernels it is in the package linux-modules-extra-$(uname -r); in a container, load it on the host"
	}
	if e.Text != "" {
		return "look at the lines that it was given; the kernel's log (\"dmesg\") may say more"
	}
	return ""
}

// LacksTable reports whether a tool says that the kernel does not have a table. A tool that was
// killed or had too little memory says nothing of the kind.
func LacksTable(err error, table string) bool {
	var e *ToolError
	if !errors.As(err, &e) || e.Code <= 0 {
		return false
	}
	if strings.Contains(e.Said, "'"+table+"'") && (strings.Contains(e.Said, "unable to initialize table") || strings.Contains(e.Said, "can't initialize")) {
		return !strings.Contains(e.Said, "emory")
	}
	made := refusedTable().FindStringSubmatch(e.Said)
	return made != nil && strings.Contains(e.Text, "*"+table+"\n") && slices.Contains([]string{"Operation not supported", "No such file or directory", "Protocol not supported", "Address family not supported by protocol"}, made[1])
}

// refusedTable finds why nf_tables has refused a table or the hook of one.
var refusedTable = lazyregexp.New(`(?:TABLE_ADD|CHAIN_ADD) failed \(([^)]+)\): (?:table raw|chain PREROUTING)`)

func tableModule(tool, said string) string {
	for _, name := range iptables.OurTables {
		if strings.Contains(said, "`"+name+"'") {
			return strings.TrimSuffix(strings.Fields(tool)[0], "s-legacy-restore") + "_" + name
		}
	}
	switch {
	case strings.Contains(tool, "-nft-"):
		return "nf_tables nft_compat"
	case strings.HasPrefix(tool, iptables.IPv6.Command()):
		return "ip6_tables"
	}
	return "ip_tables"
}

// missingModules returns the modules of the matches and targets that the kernel may have
// refused: those of the rule that the tool names, or of all rules if it names none.
func (e *ToolError) missingModules() []string {
	refused := strings.Contains(e.Said, "No such file or directory") || strings.Contains(e.Said, "No chain/target/match by that name") || strings.Contains(e.Said, "Extension")
	if !refused {
		return nil
	}
	text := e.Text
	lines := strings.Split(text, "\n")
	if n := e.line(); n > 0 && n <= len(lines) && strings.Contains(lines[n-1], "-A ") {
		text = lines[n-1]
	}
	var modules []string
	for _, m := range extension().FindAllStringSubmatch(text, -1) {
		if module := moduleOf(m[1], m[2]); module != "" {
			modules = append(modules, module)
		}
	}
	slices.Sort(modules)
	return slices.Compact(modules)
}

// extension finds matches (-m) and targets (-j) by name.
var extension = lazyregexp.New(`-(m|j) ([A-Za-z0-9-]+)`)

// moduleOf returns the kernel module of a match or target, or "" for those that are part of
// iptables itself.
func moduleOf(flag, name string) string {
	switch {
	case name == "tcp" || name == "udp" || name == "icmp6":
		return ""
	case name == "state":
		return "xt_conntrack"
	case name == "REJECT":
		return "ipt_REJECT ip6t_REJECT"
	case flag == "m" || name == string(ruleset.LogKernel) || name == string(ruleset.LogNetlink):
		return "xt_" + name
	}
	return ""
}

// lineNumber finds a line number in a tool's message.
var lineNumber = lazyregexp.New(`line:? (\d+)`)

// line returns the number of the line of Text that the tool names, or 0. It may be the COMMIT.
func (e *ToolError) line() int {
	m := lineNumber().FindStringSubmatch(e.Said)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// contextLines is how many lines are shown on either side of a refused line.
const contextLines = 4

// Numbered returns the refused text with line numbers: the lines around the one that the tool
// names, or all lines if it names the last. The tools do not number reliably, so this shows
// where to look and not what is wrong.
func (e *ToolError) Numbered() string {
	if e.Text == "" {
		return ""
	}
	lines := strings.Split(strings.TrimSuffix(e.Text, "\n"), "\n")
	first, last := 1, len(lines)
	if n := e.line(); n > 0 && n <= len(lines) && lines[n-1] != "COMMIT" {
		first, last = max(1, n-contextLines), min(len(lines), n+contextLines)
	}
	var b strings.Builder
	for n := first; n <= last; n++ {
		fmt.Fprintf(&b, "%4d  %s\n", n, lines[n-1])
	}
	return b.String()
}
