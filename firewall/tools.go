package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Backend is a flavour of iptables. What one has put into the kernel the other
// does not show.
type Backend string

const (
	NFT    Backend = "nft"
	Legacy Backend = "legacy"
)

// Other is the other one.
func (b Backend) Other() Backend {
	if b == NFT {
		return Legacy
	}
	return NFT
}

// Firewall is the rules of this network namespace in one backend.
type Firewall struct {
	Backend Backend
	tools   string // what tells this version of the tools from others
}

const (
	// toolTimeout bounds one run of a tool. 2,000 rules are listed in 8 ms; a
	// busy lock is waited for lockWait.
	toolTimeout = 30 * time.Second

	// lockWait is how many seconds restore waits for the xtables lock, which
	// it would do for ever by itself. Only legacy iptables has the lock.
	lockWait = "5"
)

// Open finds the tools of a backend: "nft", "legacy", or "auto" for the one that
// this host's iptables command belongs to.
func Open(backend string) (*Firewall, error) {
	b := Backend(backend)
	if backend == "auto" {
		var err error
		if b, err = systemBackend(); err != nil {
			return nil, err
		}
	}
	fw := &Firewall{Backend: b}
	for _, f := range Families {
		for _, verb := range []string{"save", "restore"} {
			path, err := findTool(fw.tool(f, verb))
			if err != nil {
				return nil, err
			}
			fw.tools = path
		}
	}
	// The tools are links to one program.
	info, err := os.Stat(fw.tools)
	if err != nil {
		return nil, fmt.Errorf("iptables: %w", err)
	}
	fw.tools = fmt.Sprintf("%s %d %d", fw.tools, info.Size(), info.ModTime().Unix())
	return fw, nil
}

// systemBackend tells which backend the host's iptables command is of: the
// program that it is a link to says so.
func systemBackend() (Backend, error) {
	path, err := findTool("iptables")
	if err != nil {
		return "", err
	}
	program, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("iptables: %w", err)
	}
	switch name := filepath.Base(program); {
	case strings.Contains(name, "nft"):
		return NFT, nil
	case strings.Contains(name, "legacy"):
		return Legacy, nil
	}
	// Not a link, then: ask it. Before 1.8 there was only the legacy kind.
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	if bytes.Contains(out, []byte("nf_tables")) {
		return NFT, nil
	}
	return Legacy, nil
}

// systemFolders are where iptables is, also if PATH does not say so: cron's has
// neither.
var systemFolders = []string{"/usr/sbin", "/sbin"}

func findTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range systemFolders {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", &MissingToolError{Tool: name}
}

// tool is the name of a program, such as "ip6tables-legacy-restore".
func (fw *Firewall) tool(f Family, verb string) string {
	return fmt.Sprintf("%s-%s-%s", f.command(), fw.Backend, verb)
}

// Reading is a listing under way: see [Firewall.StartRead].
type Reading struct {
	generation string
	runs       [2]*running
}

// StartRead begins to list what the kernel holds, of both families at once. It
// writes nothing; the legacy tools list only the tables that the kernel has.
//
// The tools are started by the calling goroutine, so that they are in its network
// namespace.
func (fw *Firewall) StartRead(ctx context.Context) *Reading {
	r := Reading{generation: fw.Generation()}
	for _, f := range Families {
		if !f.Present() {
			continue
		}
		r.runs[f] = start(ctx, "", fw.tool(f, "save"), "--counters")
	}
	return &r
}

// Wait returns the listing of each family.
func (r *Reading) Wait() (saved [2]*Saved, err error) {
	var errs []error
	for _, f := range Families {
		if r.runs[f] == nil {
			saved[f] = &Saved{Family: f, absent: true}
			continue
		}
		out, err := r.runs[f].wait()
		if err == nil {
			saved[f], err = parseSave(f, out)
		}
		if err == nil {
			saved[f].Generation = r.generation
		}
		errs = append(errs, err)
	}
	return saved, errors.Join(errs...)
}

// Read lists what the kernel holds of both families.
func (fw *Firewall) Read(ctx context.Context) ([2]*Saved, error) {
	return fw.StartRead(ctx).Wait()
}

// restore gives the plans' texts to the kernel, or only to the tools' own checks,
// and nothing where there is nothing to do: both families at once on nf_tables, one
// after the other on legacy, whose tools share a lock (1.8.7 looks at it once a
// second: measured).
func (fw *Firewall) restore(ctx context.Context, plans [2]*Plan, test bool) error {
	args := []string{"--noflush", "--counters", "-w", lockWait}
	if test {
		args = append(args, "--test")
	}
	var errs []error
	wait := func(r *running) {
		_, err := r.wait()
		errs = append(errs, err)
	}
	var runs []*running
	for _, f := range Families {
		if plans[f].text == "" {
			continue
		}
		r := start(ctx, plans[f].text, fw.tool(f, "restore"), args...)
		if runs = append(runs, r); fw.Backend == Legacy {
			wait(r)
			runs = nil
		}
		if errors.Join(errs...) != nil {
			break
		}
	}
	for _, r := range runs {
		wait(r)
	}
	return errors.Join(errs...)
}

// running is a tool of iptables at work.
type running struct {
	tool      string // with its arguments
	cmd       *exec.Cmd
	ctx       context.Context
	cancel    context.CancelFunc
	text      string
	out, said bytes.Buffer
	err       error // why it was not started
}

// start is the one place where a tool of iptables is run.
func start(ctx context.Context, stdin, tool string, args ...string) *running {
	r := &running{tool: strings.Join(append([]string{tool}, args...), " "), text: stdin}
	r.ctx, r.cancel = context.WithTimeout(ctx, toolTimeout)
	path, err := findTool(tool)
	if err != nil {
		r.err = err
		return r
	}
	r.cmd = exec.CommandContext(r.ctx, path, args...)
	r.cmd.Env = append(os.Environ(), "LC_ALL=C")
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = strings.NewReader(stdin), &r.out, &r.said
	r.err = r.cmd.Start()
	return r
}

func (r *running) wait() ([]byte, error) {
	defer r.cancel()
	if r.err != nil {
		return nil, r.err
	}
	err := r.cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return r.out.Bytes(), nil
	case r.ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", r.tool, context.Cause(r.ctx))
	case errors.As(err, &exit):
		return nil, &ToolError{Tool: r.tool, Code: exit.ExitCode(), Said: r.said.String(), Text: r.text}
	}
	return nil, fmt.Errorf("%s: %w", r.tool, err)
}

// legacyTables are the files that name the tables which legacy iptables has in
// this network namespace. Asking the legacy tools for a table would make it.
var legacyTables = [...]string{"/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"}

// InUse reports whether the backend may hold rules: on nf_tables if the kernel has
// it, and on legacy if it has a table.
func (fw *Firewall) InUse() bool {
	if fw.Backend == NFT {
		_, err := nftGeneration()
		return err == nil || isShortage(err)
	}
	for _, f := range Families {
		if names, err := os.ReadFile(legacyTables[f]); isShortage(err) || err == nil && len(bytes.TrimSpace(names)) > 0 {
			return true
		}
	}
	return false
}

// isShortage reports whether an error says nothing about what was asked for: this
// host has not enough of something in this moment.
func isShortage(err error) bool {
	for _, errno := range []unix.Errno{unix.ENOMEM, unix.ENOBUFS, unix.EMFILE, unix.ENFILE, unix.EAGAIN, unix.EINTR, unix.EIO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
