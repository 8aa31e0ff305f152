package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// f2bPrompt is what fail2ban-client asks with in its interactive mode.
const f2bPrompt = "fail2ban> "

// f2bMark is what we let it say after each answer.
const f2bMark = "voipbl-answer-"

// errF2bSilent is that the client ran and the server did not answer it.
var errF2bSilent = errors.New("the server does not answer")

// askFail2ban asks the server many things by one client, which takes 0.2 s to begin
// (measured, 1.0.2): its interactive mode reads commands from its input, and sends
// each "echo" to the server too, which ends the answer before.
func askFail2ban(ctx context.Context, client []string, questions [][]string) ([]string, error) {
	if len(questions) == 0 {
		return nil, nil
	}
	var in strings.Builder
	for i, q := range questions {
		for _, word := range q {
			in.WriteString("'" + word + "' ") // see f2bQuotable
		}
		fmt.Fprintf(&in, "\necho %s%d\n", f2bMark, i)
	}
	in.WriteString("exit\n")
	command := append(slices.Clone(client), "-i")
	out, said, err := run(ctx, in.String(), command...)
	if err != nil {
		return nil, err
	}
	answers, ok := parseDialog(out, len(questions))
	if !ok {
		return nil, &RunError{Command: strings.Join(client, " ") + " status", Said: firstLines(said), Err: errF2bSilent,
			remedy: "run it as root; systemctl status fail2ban"}
	}
	return answers, nil
}

// f2bQuotable reports whether a name can stand between single quotes.
func f2bQuotable(name string) bool {
	return name != "" && !strings.ContainsAny(name, "'\\\n\r\x00")
}

// parseDialog splits the client's output at our marks, and takes off the prompts.
func parseDialog(out string, n int) ([]string, bool) {
	answers := make([]string, 0, n)
	var answer strings.Builder
	for line := range strings.Lines(out) {
		text := line
		for strings.HasPrefix(text, f2bPrompt) {
			text = text[len(f2bPrompt):]
		}
		switch {
		case len(answers) == n:
			return answers, true
		case strings.TrimSpace(text) == fmt.Sprint(f2bMark, len(answers)):
			answers = append(answers, strings.TrimRight(answer.String(), "\n"))
			answer.Reset()
		case text != line && len(answers) == 0:
			answer.Reset() // what stands before the first prompt is a greeting
			answer.WriteString(text)
		default:
			answer.WriteString(text)
		}
	}
	return answers, len(answers) == n
}

// parseJails finds the names in the answer to "status".
func parseJails(answer string) []string {
	for line := range strings.Lines(answer) {
		if _, names, ok := strings.Cut(line, "Jail list:"); ok {
			return splitNames(names)
		}
	}
	return nil
}

// parseNames finds the names in the answers to "get JAIL actions" and "get JAIL
// actionproperties ACTION": a heading, and one line.
func parseNames(answer string) []string {
	heading, names, ok := strings.Cut(answer, "\n")
	if !ok || !strings.HasSuffix(strings.TrimSpace(heading), ":") {
		return nil // "No actions for jail"
	}
	return splitNames(names)
}

func splitNames(s string) []string {
	var names []string
	for n := range strings.SplitSeq(s, ",") {
		if n = strings.TrimSpace(n); n != "" {
			names = append(names, n)
		}
	}
	return names
}

// parseLogPaths finds the files in the answer to "get JAIL logpath": each after
// "|- " or "`- ". A jail of the journal has none.
func parseLogPaths(answer string) []string {
	files := []string{}
	for line := range strings.Lines(answer) {
		line = strings.TrimRight(line, "\r\n")
		for _, mark := range []string{"|- ", "`- "} {
			if file, ok := strings.CutPrefix(line, mark); ok && file != "" {
				files = append(files, file)
			}
		}
	}
	return files
}

// parseBanned finds addresses and networks in the answer to "get JAIL banip". A
// jail may ban other things, such as the names of users: they are no matter of a
// firewall.
func parseBanned(answer string) (addrs []netip.Addr, networks []netip.Prefix) {
	addrs = []netip.Addr{}
	for word := range strings.FieldsSeq(answer) {
		if a, err := netip.ParseAddr(word); err == nil {
			addrs = append(addrs, a.Unmap())
		} else if p, err := netip.ParsePrefix(word); err == nil {
			networks = append(networks, p.Masked())
		}
	}
	return addrs, networks
}

// parseJournalMatch reads the answer to "get JAIL journalmatch", of a jail that reads
// the journal.
func parseJournalMatch(answer string) string {
	if _, match, ok := strings.Cut(answer, "Current match filter:\n"); ok {
		return strings.TrimSpace(match)
	}
	return ""
}

// counted reports whether a jail has counted or banned anybody, by its answer to
// "status JAIL".
func counted(answer string) bool {
	for line := range strings.Lines(answer) {
		for _, what := range []string{"Total failed:", "Total banned:"} {
			if _, n, ok := strings.Cut(line, what); ok && strings.TrimSpace(n) != "0" {
				return true
			}
		}
	}
	return false
}
