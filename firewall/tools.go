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

// Backend is a flavour of iptables. Each lists only its own rules.
type Backend string

const (
	NFT    Backend = "nft"
	Legacy Backend = "legacy"
)

// Other returns the other backend.
func (b Backend) Other() Backend {
	if b == NFT {
		return Legacy
	}
	return NFT
}

// Firewall is the rules of this network namespace in one backend.
type Firewall struct {
	Backend Backend
	tools   [2]string // by family, the listing program and its version, to tell it from others
}

const (
	// toolTimeout bounds one run of a tool. Listing 2,000 rules takes 8 ms; a busy lock is
	// waited for lockWait.
	toolTimeout = 30 * time.Second

	// lockWait is how many seconds restore waits for the xtables lock. By itself it would wait
	// forever. Only legacy iptables has the lock.
	lockWait = "5"
)

// Open finds the tools of a backend: "nft", "legacy", or "auto" for the backend of this host's
// iptables command. If only one family's tools are missing, that is reported for this family alone
// (see [iptables.Saved.Trouble]).
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
			default: // reported when the tool is run
			}
		}
	}
	// With the tools of one family, that family is protected.
	if missing[iptables.IPv4] != nil && (missing[iptables.IPv6] != nil || !Present(iptables.IPv6)) {
		return nil, missing[iptables.IPv4]
	}
	return fw, nil
}

// identity returns which program a tool is, whatever links lead to it.
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

// systemBackend returns the backend of the host's iptables command, by the program that it links
// to.
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
	// It is not a link, so ask it. Before 1.8 there was only legacy.
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	if bytes.Contains(out, []byte("nf_tables")) {
		return NFT, nil
	}
	return Legacy, nil
}

// systemFolders are where iptables is installed. PATH may lack them, as cron's does.
var systemFolders = []string{"/usr/sbin", "/sbin"}

// findTool finds a program. The error is a [*iptables.MissingToolError] only if the program is
// certainly not installed: a failing disk, say, hides the program, but its rules are still there.
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

// tool returns the name of a program, such as "ip6tables-legacy-restore".
func (fw *Firewall) tool(f iptables.Family, verb string) string {
	return fmt.Sprintf("%s-%s-%s", f.Command(), fw.Backend, verb)
}

// restore passes the plans' texts to the kernel, or with test only to the tools' own checks. Empty
// plans are skipped. On nf_tables, both families run at once; on legacy, one after the other,
// since its tools share a lock (1.8.7 looks at it once a second: measured). If one family fails,
// the other is restored all the same.
func (fw *Firewall) restore(ctx context.Context, plans [2]*Plan, test bool) (errs [2]error) {
	args := []string{"--noflush", "--counters", "-w", lockWait}
	if test {
		args = append(args, "--test")
	}
	var runs [2]*running
	for _, f := range iptables.Families {
		if plans[f].Text == "" {
			continue
		}
		if fw.Backend == Legacy && errors.Is(errs[iptables.IPv4], ErrLocked) {
			errs[f] = errs[iptables.IPv4] // they share the lock, which has been waited for
			continue
		}
		runs[f] = start(ctx, plans[f].Text, fw.tool(f, "restore"), args...)
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
	outer     context.Context // of the caller
	cancel    context.CancelFunc
	text      string
	out, said bytes.Buffer
	err       error // why it was not started
}

// start runs a tool of iptables. All runs go through it.
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

// readLegacyNames reads the names of a family's legacy tables. Go's poller does not get to know the
// file, which would cost it two calls.
func readLegacyNames(f iptables.Family) (names []byte, err error) {
	fd, err := unix.Open(legacyNames(f), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 512)
	for {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || n == 0:
			return names, err
		default:
			names = append(names, buf[:n]...)
		}
	}
}

// legacyNames returns the file that lists a family's legacy tables in this network namespace.
// Asking the legacy tools for a table would create it.
func legacyNames(f iptables.Family) string {
	return "/proc/" + procself.Name() + "/net/" + [...]string{"ip_tables_names", "ip6_tables_names"}[f]
}

// InUse reports whether the backend may hold rules: nf_tables if the kernel has it, legacy if it
// has a table.
func (fw *Firewall) InUse() bool {
	if fw.Backend == NFT {
		_, err := nftGeneration()
		return err == nil || isShortage(err)
	}
	for _, f := range iptables.Families {
		if names, err := readLegacyNames(f); isShortage(err) || err == nil && len(bytes.TrimSpace(names)) > 0 {
			return true
		}
	}
	return false
}

// isShortage reports whether an error only means that the host is short of something at the
// moment.
func isShortage(err error) bool {
	for _, errno := range []unix.Errno{unix.ENOMEM, unix.ENOBUFS, unix.EMFILE, unix.ENFILE, unix.EAGAIN, unix.EINTR, unix.EIO} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
