package fail2ban

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/voipbl/voipbl/internal/probe"
)

// said is what fail2ban-client 1.0.2 printed, with its greeting.
const said = `Fail2Ban v1.0.2 reads log file that contains password failure report
and bans the corresponding IP addresses using firewall rules.

fail2ban> 1.0.2
fail2ban> voipbl-answer-0
fail2ban> Status
|- Number of jail:	2
` + "`- Jail list:	a, b-c" + `
fail2ban> voipbl-answer-1
fail2ban> fail2ban> voipbl-answer-2
fail2ban> `

func TestParseDialog(t *testing.T) {
	got, ok := parseDialog(said, 3)
	if d := cmp.Diff([]string{"1.0.2", "Status\n|- Number of jail:\t2\n`- Jail list:\ta, b-c", ""}, got); d != "" || !ok {
		t.Error(ok, d)
	}
	if d := cmp.Diff([]string{"a", "b-c"}, parseJails(got[1])); d != "" {
		t.Error(d)
	}
	if _, ok := parseDialog(said, 4); ok {
		t.Error("a fourth answer was found")
	}
	if _, ok := parseDialog("fail2ban> fail2ban> \n", 1); ok {
		t.Error("silence is an answer")
	}
}

// FuzzDialog: answers come out as they went in.
func FuzzDialog(f *testing.F) {
	f.Add("1.0.2", "Status\n|- x\n", "")
	f.Add("", "\n\n", "a: b\n  c")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		want := []string{a, b, c}
		var out strings.Builder
		out.WriteString("greeting\n\n")
		for i := range want {
			if strings.Contains(want[i], strings.TrimSpace(f2bPrompt)) || strings.Contains(want[i], f2bMark) {
				return // an answer that contains the marks cannot be told apart
			}
			out.WriteString(f2bPrompt + want[i] + "\n" + f2bPrompt + f2bMark + strconv.Itoa(i) + "\n")
			want[i] = strings.TrimRight(want[i], "\n")
		}
		got, ok := parseDialog(out.String()+f2bPrompt, len(want))
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Error(ok, d)
		}
	})
}

func TestParseAnswers(t *testing.T) {
	if d := cmp.Diff([]string{"x", "y"}, parseNames("The jail a has the following actions:\nx, y")); d != "" {
		t.Error(d)
	}
	for _, none := range []string{"No actions for jail a", "", "Sorry but the jail 'a' does not exist"} {
		if names := parseNames(none); names != nil {
			t.Errorf("%q: %q", none, names)
		}
	}
	if d := cmp.Diff([]string{"/var/log/a b.log", "/var/log/c"}, parseLogPaths("Current monitored log file(s):\n|- /var/log/a b.log\n`- /var/log/c")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{}, parseLogPaths("No file is currently monitored")); d != "" {
		t.Error(d)
	}
	addrs, networks := parseBanned("203.0.113.7 2001:db8::7 root 198.51.100.9/24\n::ffff:203.0.113.8")
	same := cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}
	if d := cmp.Diff([]netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("203.0.113.8")}, addrs, same); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, networks, same); d != "" {
		t.Error(d)
	}
	for out, want := range map[string]string{"Fail2Ban v1.0.2\n": "1.0.2", "Fail2Ban v0.11.2\n\nCopyright (c) x": "0.11.2", "": "", "bash: x": ""} {
		if got := parseF2bVersion(out); got != want {
			t.Errorf("%q: %q", out, got)
		}
	}
}

// TestTroubledClients runs clients that each fail to answer in their own way.
func TestTroubledClients(t *testing.T) {
	const reads = "while read line; do "
	for _, c := range []struct {
		name, script string
		want         string // the error
	}{
		{"no server", "echo Fail2Ban v1.0.2 reads; printf 'fail2ban> '; " + reads + "echo \"$(date +%F' '%T,%N) fail2ban                [$$]: ERROR   no server\" >&2; printf 'fail2ban> '; done", "sh status: the server does not answer: no server"},
		{"an answer, and then none", "printf 'fail2ban> '; " + reads + "case $line in echo*voipbl-answer-0) echo ${line#echo };; esac; printf 'fail2ban> '; done", "the server does not answer"},
		{"ends", "exit 0", "the server does not answer"},
		{"ends badly", "echo broken >&2; exit 3", "exit status 3: broken"},
		{"says nothing more, and stays", "exec >&-; sleep 60", "signal: killed"},
		{"says too much", "exec yes", probe.ErrOutput.Error()},
		{"hangs", "sleep 60", "too late"},
		{"hangs with a child", "sleep 60 & sleep 60", "no answer within"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if c.name == "hangs" {
				time.AfterFunc(100*time.Millisecond, func() { cancel(errors.New("too late")) })
			}
			client, err := startF2b(ctx, []string{"sh", "-c", c.script})
			if err != nil {
				t.Fatal(err)
			}
			client.name = "sh"
			defer client.end()
			questions := [][]string{{"version"}, {"status"}, {strings.Repeat("long ", 64<<10)}}
			answers, err := client.ask(ctx, questions)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v", answers, err)
			}
			if c.name == "no server" && err.Error() != c.want {
				t.Errorf("it says %q, not once and without its time %q", err, c.want)
			}
			if version := parseF2bVersion(client.greeting); c.name == "no server" && version != "1.0.2" {
				t.Errorf("version %q", version)
			}
		})
	}
	if _, err := startF2b(t.Context(), []string{"/no/such/client"}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no client: %v", err)
	}
}
