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
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/voipbl/voipbl/internal/probe"
)

// f2bPrompt is what fail2ban-client asks with in its interactive mode.
const f2bPrompt = "fail2ban> "

// f2bMark is what we let it say after each answer.
const f2bMark = "voipbl-answer-"

// errF2bSilent is that the client ran and the server did not answer it.
var errF2bSilent = errors.New("the server does not answer")

// f2bClient is one client under way, which takes 0.2 s to begin (measured, 1.0.2): in its
// interactive mode it reads commands from its input, and prompts for each. What it is asked
// is sent to the server, each "echo" too, which ends the answer before.
type f2bClient struct {
	name     string // as it was given
	greeting string // what it says before it is asked
	asked    bool

	cmd     *exec.Cmd
	in, out *os.File
	said    probe.Limited // on its standard error
	heard   int           // how many bytes it has answered
	end     func() error
}

// startF2b starts a client. It is to be ended.
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

// ended has the client end, and waits for that.
func (c *f2bClient) ended() error {
	late := time.AfterFunc(probe.RunGrace, func() { c.cmd.Process.Kill() })
	defer late.Stop()
	c.in.SetWriteDeadline(time.Now().Add(probe.RunGrace))
	io.WriteString(c.in, "exit\n")
	c.in.Close()
	defer c.out.Close()
	return c.cmd.Wait()
}

// failed has a client end that has been started: till then it may go on to say why.
func (c *f2bClient) failed(err error) error {
	if c.cmd.Process != nil {
		c.end()
	}
	return &probe.RunError{Command: c.name + " -i", Said: c.complaint(), Err: err}
}

// f2bLogged is what stands before the text in a line of fail2ban's log: the time, the process,
// how bad it is.
var f2bLogged = regexp.MustCompile(`(?m)^[-0-9]+ [0-9:,]+ fail2ban[. \w]*\[[0-9]+\]: [A-Z]+ +`)

// complaint is what the client, which has ended, has said on its standard error: once what
// it says of each question, and nothing that differs from one time to the next.
func (c *f2bClient) complaint() string {
	var lines []string
	for line := range strings.Lines(f2bLogged.ReplaceAllString(c.said.String(), "")) {
		if line = strings.TrimSpace(line); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return probe.FirstLines(strings.Join(lines, " "))
}

// ask asks the server. After an error the client is of no use.
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
	go io.WriteString(c.in, in.String()) // the client may answer before it has read all
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

// silentRemedy is what to do about a server that does not answer.
const silentRemedy = "run it as root; systemctl status fail2ban"

// hear reads what the client says to n questions, until it prompts for the next one.
func (c *f2bClient) hear(ctx context.Context, n int) (string, error) {
	// A prompt before each line of ours, and, the first time, one more for the next.
	prompts := 2 * n
	if !c.asked {
		prompts++
	}
	c.out.SetReadDeadline(time.Now().Add(probe.RunTimeout))
	stop := context.AfterFunc(ctx, func() { c.out.SetReadDeadline(time.Now()) }) // a child may keep it open
	defer stop()
	var text []byte
	part := make([]byte, 64<<10)
	for !bytes.HasSuffix(text, []byte(f2bPrompt)) || bytes.Count(text, []byte(f2bPrompt)) < prompts {
		got, err := c.out.Read(part)
		text = append(text, part[:got]...)
		c.heard += got
		switch {
		case errors.Is(err, io.EOF) && ctx.Err() == nil:
			// It has ended by itself.
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
