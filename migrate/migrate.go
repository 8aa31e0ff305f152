package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/voipblsh"
)

// Migrated is what [Migrate] took out.
type Migrated struct {
	Lines []string `json:"lines"` // of cron, commented out
	Rules []string `json:"rules"`
	Sets  []string `json:"sets"`

	// Lost is what the script blocks and voipbl does not; nil if there is nothing.
	Lost *Lost `json:"not_blocked,omitempty"`

	// Saved are files of saved rules, loaded at boot, that use the script's sets.
	Saved []reach.SavedTrouble `json:"saved,omitempty"`
}

// Nothing reports whether nothing of the script was found.
func (m *Migrated) Nothing() bool { return len(m.Lines)+len(m.Rules)+len(m.Sets) == 0 }

// scriptStaysError says that the script stays, because voipbl does not protect this host yet.
type scriptStaysError struct{ Problems []string }

func (e *scriptStaysError) Error() string {
	return "the published voipbl.sh stays, since voipbl does not protect this host yet: " + strings.Join(e.Problems, "; ")
}

// Remedy says what to do about it.
func (*scriptStaysError) Remedy() string { return "voipbl sync; then run this again" }

// scriptUsedError says that something else depends on the script.
type scriptUsedError struct {
	Why string
	By  []string
	Do  string // what the admin can do to end that
}

func (e *scriptUsedError) Error() string {
	return "nothing was taken out, since " + e.Why + ": " + strings.Join(e.By, "; ")
}

// Remedy says what to do about it.
func (e *scriptUsedError) Remedy() string { return e.Do + "; then run this again" }

// scriptPart is what the script made in one family of one backend.
type scriptPart struct {
	iptwalk.Script

	fw     *firewall.Firewall
	family iptables.Family
}

// Migrate takes out the published voipbl.sh once voipbl's own rules drop what the lists block,
// so there is no moment without protection. It first checks that all of it can go. Then it
// takes out what runs the script, its rules, and its sets, in this order. The script's file
// stays.
func Migrate(ctx context.Context, cfg config.Config, version string, dryRun bool) (*Migrated, error) {
	status, err := blocklist.ReadStatus(ctx, cfg, version, time.Now(), blocklist.File{})
	if err != nil {
		return nil, err
	}
	if !status.Protected || status.Entries() == 0 {
		return nil, &scriptStaysError{append(slices.Clone(status.Problems), "nothing is blocked")[:1]}
	}
	lines := voipblsh.Lines("/")
	parts, err := scriptParts(ctx, cfg, lines)
	if err != nil {
		return nil, err
	}
	if pids := voipblsh.Running(); len(pids) > 0 {
		return nil, &scriptRunsError{pids}
	}
	lost, err := lostWith(cfg, parts)
	if err != nil {
		return nil, err
	}
	done := &Migrated{Lost: lost, Lines: []string{}, Rules: []string{}, Sets: []string{}}
	for _, l := range lines {
		if !dryRun {
			if err := commentOut(l); err != nil {
				return done, err
			}
		}
		line := l.Where() + ": " + l.Text
		if l.NeverRan {
			line += " (cron never ran it: it has six time fields, and cron takes five)"
		}
		done.Lines = append(done.Lines, line)
	}
	// Nothing starts the script any more, but it may still be running.
	if pids := voipblsh.Running(); len(pids) > 0 && !dryRun {
		return done, &scriptRunsError{pids}
	}
	for _, p := range parts {
		if p.Nothing() {
			continue
		}
		if !dryRun {
			if err := p.fw.TakeOutScript(ctx, p.family, p.Script); err != nil {
				return done, err
			}
		}
		for _, r := range p.Rules {
			done.Rules = append(done.Rules, fmt.Sprintf("%s (%s): %s", p.family, p.fw.Backend, r))
		}
	}
	err = done.dropSets(cfg, dryRun)
	done.Saved = reach.SavedTroubles(host.SavedRules("/"), reach.Since("which is gone", func(_ host.SavedLine, set string) bool {
		return slices.Contains(done.Sets, set)
	}))
	return done, err
}

// scriptParts returns what the script made, or an error if not all of it can be taken out.
func scriptParts(ctx context.Context, cfg config.Config, lines []voipblsh.Line) ([]scriptPart, error) {
	var (
		parts                 []scriptPart
		byHand, used, forward []string
		covered               [2]bool
	)
	for _, l := range lines {
		if !l.Alone {
			byHand = append(byHand, l.Where()+": "+l.Text)
		}
	}
	for _, fw := range firewall.Backends() {
		saved, err := fw.ReadSure(ctx)
		if err != nil {
			return nil, err
		}
		for i, f := range iptables.Families {
			if err := saved[f].Unknown(); blocklist.MayUseIt(f, err) {
				return nil, err
			}
			if saved[f].Readable("filter") != nil {
				continue
			}
			parts = append(parts, scriptPart{iptwalk.FindScript(saved[f], reach.OwnSetNames(cfg)), fw, f})
			covered[i] = covered[i] || iptwalk.ForwardLooksAt(saved[f], cfg.SetName(int(cidr.Families[i])))
		}
	}
	for _, p := range parts {
		for _, r := range p.Others {
			used = append(used, fmt.Sprintf("%s (%s)", r, reach.RulesCommand(p.fw.Backend, p.family)))
		}
		if p.Forwarded && !covered[slices.Index(iptables.Families[:], p.family)] {
			for _, r := range p.Rules {
				if strings.HasPrefix(r, "-A FORWARD ") {
					forward = append(forward, fmt.Sprintf("%s (%s)", r, reach.RulesCommand(p.fw.Backend, p.family)))
				}
			}
		}
	}
	lists, err := listsOfScript(cfg)
	if err != nil {
		return nil, err
	}
	used = append(used, lists...)
	switch {
	case len(byHand) > 0:
		return nil, &scriptUsedError{"voipbl.sh is run by more than a line that runs only that", byHand, "take voipbl.sh out of there by hand"}
	case len(used) > 0:
		return nil, &scriptUsedError{"others use the chain or the sets of voipbl.sh", used, "take these out, or have them use the sets of voipbl"}
	case len(forward) > 0:
		return nil, &scriptUsedError{"voipbl.sh guards what is behind this host, and voipbl does not yet", forward, `set "firewall: {drop_at: prerouting}"; "voipbl sync"`}
	}
	return parts, nil
}

// scriptSets returns the script's sets, without one that voipbl fills itself.
func scriptSets(cfg config.Config) []string {
	own := append(reach.OwnSetNames(cfg), ipsetsync.TempName(cfg.SetName(int(cidr.IPv4))))
	return slices.DeleteFunc(slices.Clone(iptwalk.ScriptSets[:]), func(name string) bool { return slices.Contains(own, name) })
}

// listsOfScript returns list:set sets that hold a set of the script, which the kernel then keeps.
func listsOfScript(cfg config.Config) (lists []string, err error) {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	for _, name := range scriptSets(cfg) {
		for _, list := range setnames.ListUsers(kernel, name) {
			lists = append(lists, list+" (holds "+name+")")
		}
	}
	return lists, nil
}

// dropSets destroys the script's sets, except one that voipbl fills itself.
func (m *Migrated) dropSets(cfg config.Config, dryRun bool) error {
	kernel, err := ipsetsync.Open()
	if err != nil {
		return err
	}
	defer kernel.Close()
	for _, name := range scriptSets(cfg) {
		_, err := kernel.Kind(name)
		if err == nil && !dryRun {
			err = kernel.Destroy(name)
		}
		switch {
		case errors.Is(err, ipsetsync.ErrNotFound):
		case err != nil:
			return err
		default:
			m.Sets = append(m.Sets, name)
		}
	}
	return nil
}

// commentOut makes a line of cron a comment, if the line is still as it was found.
func commentOut(l voipblsh.Line) error {
	text, err := os.ReadFile(l.File)
	if err != nil {
		return err
	}
	info, err := os.Stat(l.File)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if l.Line > len(lines) || strings.TrimSpace(lines[l.Line-1]) != l.Text {
		return fmt.Errorf("%s has changed meanwhile: run this again", l.File)
	}
	mark := "# taken out by voipbl: "
	if l.Shell {
		mark = ": " + mark // "then" and "fi" have something between them
	}
	lines[l.Line-1] = mark + lines[l.Line-1]
	if err := renameio.WriteFile(l.File, []byte(strings.Join(lines, "\n")), info.Mode().Perm(), renameio.WithExistingPermissions()); err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(l.File, int(owner.Uid), int(owner.Gid))
	}
	return nil
}
