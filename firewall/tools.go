package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/procself"
	"github.com/voipbl/voipbl/iptables"
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
	tools   [2]string // what tells the program that lists a family's rules from other versions
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
// this host's iptables command belongs to. That the tools of one family are missing is
// the trouble of that family alone (see [iptables.Saved.Trouble]).
func Open(backend string) (*Firewall, error) {
	b := Backend(backend)
	if backend == "auto" {
		var err error
		if b, err = systemBackend(); err != nil {
			return nil, err
		}
	}
	fw := &Firewall{Backend: b}
	missing := make(map[iptables.Family]error)
	for _, f := range iptables.Families {
		for _, verb := range []string{"restore", "save"} {
			path, err := findTool(fw.tool(f, verb))
			switch {
			case err == nil && verb == "save":
				if fw.tools[f], err = identity(path); err != nil {
					return nil, err
				}
			case err == nil:
			case errors.As(err, new(*iptables.MissingToolError)):
				missing[f] = err
			default: // the trouble of whoever runs it
			}
		}
	}
	// With the tools of one family that one is protected.
	if missing[iptables.IPv4] != nil && (missing[iptables.IPv6] != nil || !Present(iptables.IPv6)) {
		return nil, missing[iptables.IPv4]
	}
	return fw, nil
}

// identity is which program a tool is, whichever way PATH leads there.
func identity(path string) (string, error) {
	program, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("iptables: %w", err)
	}
	info, err := os.Stat(program)
	if err != nil {
		return "", fmt.Errorf("iptables: %w", err)
	}
	return fmt.Sprintf("%s %d %d", program, info.Size(), info.ModTime().Unix()), nil
}

// systemBackend tells which backend the host's iptables command is of: the
// program that it is a link to says so.
func systemBackend() (Backend, error) {
	path, err := findTool(iptables.IPv4.Command())
	if err != nil {
		var err6 error
		if path, err6 = findTool(iptables.IPv6.Command()); err6 != nil {
			return "", err
		}
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

// findTool finds a program. It is a [*iptables.MissingToolError] only if it is certain that there is
// none: a disk that fails, say, hides it and not the rules that it has made.
func findTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	var unsure error
	for _, dir := range systemFolders {
		path, err := exec.LookPath(filepath.Join(dir, name))
		switch {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, exec.ErrNotFound):
			unsure = err
			if errors.Is(err, fs.ErrPermission) {
				unsure = &sealedToolError{filepath.Join(dir, name)}
			}
		}
	}
	if unsure != nil {
		return "", unsure
	}
	return "", &iptables.MissingToolError{Tool: name}
}

// tool is the name of a program, such as "ip6tables-legacy-restore".
func (fw *Firewall) tool(f iptables.Family, verb string) string {
	return fmt.Sprintf("%s-%s-%s", f.Command(), fw.Backend, verb)
}

// restore gives the plans' texts to the kernel, or only to the tools' own checks,
// and nothing where there is nothing to do: both families at once on nf_tables, one
// after the other on legacy, whose tools share a lock (1.8.7 looks at it once a
// second: measured). What is wrong with one family keeps nothing from the other.
func (fw *Firewall) restore(ctx context.Context, plans [2]*Plan, test bool) (errs [2]error) {
	args := []string{"--noflush", "--counters", "-w", lockWait}
	if test {
		args = append(args, "--test")
	}
	var runs [2]*running
	for _, f := range iptables.Families {
		if plans[f].text == "" {
			continue
		}
		if fw.Backend == Legacy && errors.Is(errs[iptables.IPv4], ErrLocked) {
			errs[f] = errs[iptables.IPv4] // it is one lock, and has been waited for
			continue
		}
		runs[f] = start(ctx, plans[f].text, fw.tool(f, "restore"), args...)
		if fw.Backend == Legacy {
			_, errs[f] = runs[f].wait()
			runs[f] = nil
		}
	}
	for f, r := range runs {
		if r != nil {
			_, errs[f] = r.wait()
		}
	}
	return errs
}

// running is a tool of iptables at work.
type running struct {
	tool      string // with its arguments
	cmd       *exec.Cmd
	ctx       context.Context
	outer     context.Context // of whoever has started it
	cancel    context.CancelFunc
	text      string
	out, said bytes.Buffer
	err       error // why it was not started
}

// start is the one place where a tool of iptables is run.
func start(ctx context.Context, stdin, tool string, args ...string) *running {
	r := &running{tool: strings.Join(append([]string{tool}, args...), " "), text: stdin}
	r.outer = ctx
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
	case r.ctx.Err() == context.DeadlineExceeded && r.outer.Err() == nil:
		return nil, &slowToolError{r.tool}
	case r.ctx.Err() != nil:
		return nil, fmt.Errorf("%s: %w", r.tool, context.Cause(r.ctx))
	case errors.As(err, &exit):
		return nil, &ToolError{Tool: r.tool, Code: exit.ExitCode(), Said: r.said.String(), Text: r.text}
	}
	return nil, fmt.Errorf("%s: %w", r.tool, err)
}

// legacyNames is the file that names the tables of a family which legacy iptables has in
// this network namespace. Asking the legacy tools for a table would make it.
func legacyNames(f iptables.Family) string {
	return "/proc/" + procself.Name() + "/net/" + [...]string{"ip_tables_names", "ip6_tables_names"}[f]
}

// InUse reports whether the backend may hold rules: on nf_tables if the kernel has
// it, and on legacy if it has a table.
func (fw *Firewall) InUse() bool {
	if fw.Backend == NFT {
		_, err := nftGeneration()
		return err == nil || isShortage(err)
	}
	for _, f := range iptables.Families {
		if names, err := os.ReadFile(legacyNames(f)); isShortage(err) || err == nil && len(bytes.TrimSpace(names)) > 0 {
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
