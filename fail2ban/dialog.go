package fail2ban

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/internal/probe"
)

// f2bPrompt is the prompt of fail2ban-client's interactive mode.
const f2bPrompt = "fail2ban> "

// f2bMark is what the client is told to echo after each answer.
const f2bMark = "voipbl-answer-"

// errF2bSilent means that the client ran, but the server did not answer it.
var errF2bSilent = errors.New("the server does not answer")

// f2bClient is a running client, which takes 0.2 s to start (measured, 1.0.2). In its interactive
// mode it reads commands from its input and prompts for each. It sends each command to the server,
// including "echo", so the answer before an echo is complete.
type f2bClient struct {
	name     string // as given
	greeting string // what it prints before the first question
	asked    bool

	cmd     *exec.Cmd
	in, out *os.File
	said    probe.Limited // its standard error
	heard   int           // how many bytes it has answered so far
	end     func() error
}

// startF2b starts a client. The caller must end it.
func startF2b(ctx context.Context, client []string) (*f2bClient, error) {
	c := &f2bClient{name: strings.Join(client, " ")}
	c.end = sync.OnceValue(c.ended)
	c.cmd = exec.CommandContext(ctx, client[0], append(slices.Clone(client[1:]), "-i")...)
	c.cmd.Env = append(os.Environ(), "LC_ALL=C")
	stdin, in, err := os.Pipe()
	if err != nil {
		return nil, c.failed(err)
	}
	defer stdin.Close()
	out, stdout, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, c.failed(err)
	}
	defer stdout.Close()
	c.in, c.out = in, out
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr, c.cmd.WaitDelay = stdin, stdout, &c.said, probe.RunGrace
	if err := c.cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return nil, c.failed(err)
	}
	return c, nil
}

// ended ends the client and waits until it has ended.
func (c *f2bClient) ended() error {
	late := time.AfterFunc(probe.RunGrace, func() { c.cmd.Process.Kill() })
	defer late.Stop()
	c.in.SetWriteDeadline(time.Now().Add(probe.RunGrace))
	io.WriteString(c.in, "exit\n")
	c.in.Close()
	defer c.out.Close()
	return c.cmd.Wait()
}

// failed ends a client after an error. Until it has ended it may still print the reason.
func (c *f2bClient) failed(err error) error {
	if c.cmd.Process != nil {
		c.end()
	}
	return &probe.RunError{Command: c.name + " -i", Said: c.complaint(), Err: err}
}

// f2bLogged matches what precedes the text in a line of fail2ban's log: time, process and level.
var f2bLogged = lazyregexp.New(`(?m)^[-0-9]+ [0-9:,]+ fail2ban[. \w]*\[[0-9]+\]: [A-Z]+ +`)

// complaint returns the standard error of a client that has ended: each message once, without
// anything that varies between runs.
func (c *f2bClient) complaint() string {
	var lines []string
	for line := range strings.Lines(f2bLogged().ReplaceAllString(c.said.String(), "")) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return probe.FirstLines(strings.Join(lines, " "))
}

// ask sends questions to the server. After an error the client cannot be used any more.
func (c *f2bClient) ask(ctx context.Context, questions [][]string) ([]string, error) {
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
	go io.WriteString(c.in, in.String()) // the client may answer before it has read everything
	out, err := c.hear(ctx, len(questions))
	if err != nil {
		return nil, err
	}
	if !c.asked {
		c.asked = true
		c.greeting, _, _ = strings.Cut(out, f2bPrompt)
	}
	answers, ok := parseDialog(out, len(questions))
	if !ok {
		c.end()
		return nil, &probe.RunError{Command: c.name + " status", Said: c.complaint(), Err: errF2bSilent,
			Advice: silentRemedy}
	}
	return answers, nil
}

// silentRemedy is the remedy for a server that does not answer.
const silentRemedy = "run it as root; systemctl status fail2ban"

// hear reads the client's answers to n questions, until it prompts again.
func (c *f2bClient) hear(ctx context.Context, n int) (string, error) {
	// There is a prompt for each line sent and, the first time, one more for the next line.
	prompts := 2 * n
	if !c.asked {
		prompts++
	}
	c.out.SetReadDeadline(time.Now().Add(probe.RunTimeout))
	stop := context.AfterFunc(ctx, func() { c.out.SetReadDeadline(time.Now()) }) // a child process may keep the output open
	defer stop()
	var text []byte
	part := make([]byte, 64<<10)
	for !bytes.HasSuffix(text, []byte(f2bPrompt)) || bytes.Count(text, []byte(f2bPrompt)) < prompts {
		got, err := c.out.Read(part)
		text = append(text, part[:got]...)
		c.heard += got
		switch {
		case errors.Is(err, io.EOF) && ctx.Err() == nil:
			// The client has ended by itself.
			if err := c.end(); err != nil {
				return "", c.failed(err)
			}
			return string(text), nil
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fmt.Errorf("no answer within %s", probe.RunTimeout)
		case c.heard > probe.MaxOutput:
			err = probe.ErrOutput
		}
		if err != nil {
			c.cmd.Process.Kill()
			return "", c.failed(err)
		}
	}
	return string(text), nil
}

// f2bQuotable reports whether a name may stand between single quotes.
func f2bQuotable(name string) bool {
	return name != "" && !strings.ContainsAny(name, "'\\\n\r\x00")
}

// parseDialog splits the client's output at the marks, and removes the prompts.
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
			answer.Reset() // what precedes the first prompt is the greeting
			answer.WriteString(text)
		default:
			answer.WriteString(text)
		}
	}
	return answers, len(answers) == n
}

// parseJails returns the names of the jails from the answer to "status".
func parseJails(answer string) []string {
	for line := range strings.Lines(answer) {
		if _, names, ok := strings.Cut(line, "Jail list:"); ok {
			return splitNames(names)
		}
	}
	return nil
}

// parseNames returns the names in the answers to "get JAIL actions" and "get JAIL actionproperties
// ACTION": a heading and one line.
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

// parseLogPaths returns the files in the answer to "get JAIL logpath", each after "|- " or "`- ". A
// jail that reads the journal has none.
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

// parseBanned returns the addresses and networks in the answer to "get JAIL banip". It skips
// anything else that a jail bans, such as user names, which concern no firewall.
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

// parseJournalMatch parses the answer to "get JAIL journalmatch", of a jail that reads the journal.
func parseJournalMatch(answer string) string {
	if _, match, ok := strings.Cut(answer, "Current match filter:\n"); ok {
		return strings.TrimSpace(match)
	}
	return ""
}

// counted reports, from the answer to "status JAIL", whether a jail has counted or banned anybody.
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
