package trial

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/ruleset"
	"github.com/voipbl/voipbl/settings"
)

// TestStopInTheMidst stops the agent while it carries out a decision: all of it is done, and what
// is seen and remembered afterwards is complete. Before, the running tools were killed, which was
// reported as a failure, and what they would have shown was remembered as missing.
func TestStopInTheMidst(t *testing.T) {
	r, _ := newTrial(t)
	// Rules left in the other backend, and a rule that lets no packet through to voipbl's.
	legacy, err := firewall.Open("legacy")
	if err != nil {
		t.Fatal(err)
	}
	run(t, "iptables-legacy", "-A", "INPUT", "-s", "192.0.2.1", "-j", "ACCEPT")
	drop := settings.DropSettings(r.Cfg, r.Sets, ruleset.AtInput).Wanted()
	before, err := legacy.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := legacy.Apply(t.Context(), drop, before, nil); err != nil {
		t.Fatal(err)
	}
	run(t, "iptables-nft", "-A", "INPUT", "-j", "REJECT")

	ctx := &stopping{Context: t.Context()}
	d, err := r.Decide(ctx.Context, rules.How{ByHand: true, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	report := &rules.Report{}
	if err := r.Commit(ctx, d, report); err != nil || !ctx.stopped {
		t.Fatal("cut short:", err)
	}
	if len(report.Warnings) > 0 {
		t.Errorf("told as a trouble: %q", report.Warnings)
	}
	if left := run(t, "iptables-legacy-save"); strings.Contains(left, "voip") || !strings.Contains(left, "192.0.2.1") {
		t.Errorf("the other backend has\n%s", left)
	}
	if rules := run(t, "iptables-nft-save"); !strings.Contains(rules, "--match-set voip_bl src") {
		t.Errorf("the kernel has\n%s", rules)
	}
	// What is remembered is what is there.
	if now := r.Fw.Generation(); now == "" || r.Record.Generation != now || !r.Record.Base {
		t.Errorf("remembered of %q: %+v", now, r.Record)
	}
	if report.Seek(t.Context()); len(report.Obstacles) == 0 {
		t.Error("no packet passes to ours, which nobody sees")
	}
	if err := r.Commit(ctx, d, report); err == nil {
		t.Error("begun after the stop")
	}
}

// stopping is a context that ends once somebody has asked whether it has.
type stopping struct {
	context.Context
	stopped bool
}

func (s *stopping) Err() error {
	if s.stopped {
		return context.Canceled
	}
	s.stopped = true
	return nil
}

// Done returns a channel that closes as soon as a caller asks for it.
func (s *stopping) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
