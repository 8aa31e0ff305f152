package fail2ban

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/testfail2ban"
	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testpoll"
)

const (
	f2bDefault = `[DEFAULT]
backend = polling
usedns = no
ignoreself = false
filter = asterisk
enabled = true
logpath = DIR/messages.log
`
	// ours bans by voipbl, and renamedSet into sets with names of their own, as the published
	// ruleset has them.
	ours       = "[Definition]\nactionban = voipbl ban <ip> --for <bantime>s\nactionunban = voipbl unban <ip>\n"
	renamedSet = "[INCLUDES]\nbefore = iptables-ipset.conf\n[Init]\nipmset = fail2ban-ASTERISK\n[Init?family=inet6]\nipmset = fail2ban-ASTERISK6\n"
)

// stock are actions and where they ban; each gets a jail.
var stock = []struct {
	action string
	want   Action
}{
	{"iptables-multiport", Action{Into: IntoChain, Target: "f2b-NAME"}},
	{"iptables-allports", Action{Into: IntoChain, Target: "f2b-NAME"}},
	{"iptables-ipset-proto6", Action{Into: IntoSet, Target: "f2b-NAME", Target6: "f2b-NAME6"}},
	{"iptables-ipset-proto6-allports", Action{Into: IntoSet, Target: "f2b-NAME", Target6: "f2b-NAME6"}},
	{"iptables-ipset", Action{Into: IntoSet, Target: "f2b-NAME", Target6: "f2b-NAME6"}},
	{"renamed-set", Action{Into: IntoSet, Target: "fail2ban-ASTERISK", Target6: "fail2ban-ASTERISK6"}},
	{"nftables-multiport", Action{Into: IntoNFTables, Target: "inet f2b-table addr-set-NAME", Target6: "inet f2b-table addr6-set-NAME"}},
	{"nftables-allports", Action{Into: IntoNFTables, Target: "inet f2b-table addr-set-NAME", Target6: "inet f2b-table addr6-set-NAME"}},
	{"ufw", Action{Into: IntoChain, Target: "ufw-user-input", Target6: "ufw6-user-input"}},
	{"firewallcmd-ipset", Action{Into: IntoSet, Target: "f2b-NAME", Target6: "f2b-NAME6"}},
	{"firewallcmd-new", Action{Into: IntoChain, Target: "f2b-NAME"}},
	{"firewallcmd-rich-rules", Action{Into: IntoOther}},
	{"route", Action{Into: IntoOther}},
	{"mail", Action{Into: IntoOther}},
	{"dummy", Action{Into: IntoOther}},
	{"ours", Action{Into: IntoVoipbl}},
	{"voipbl-set", Action{Into: IntoSet, Target: "own-NAME", Target6: "own-NAME6"}},
	{"voipbl-ssh", Action{Into: IntoSet, Target: "f2bs-NAME", Target6: "f2bs-NAME6"}},
	{"voipbl-ban", Action{Into: IntoVoipbl}},
	{"voipbl-report", Action{Into: IntoOther}},
}

// startFail2ban runs a real fail2ban in the test's namespace, from a folder of its own with
// Debian's actions and ours. It returns the command of its client.
func startFail2ban(t *testing.T, jails string) (dir string, client []string) {
	t.Helper()
	dir = testfail2ban.New(t, map[string]string{
		"jail.conf": f2bDefault + jails, "messages.log": "", "second.log": "",
		"action.d/ours.conf": ours, "action.d/renamed-set.conf": renamedSet,
	})
	if err := os.CopyFS(filepath.Join(dir, "action.d"), os.DirFS("../packaging/fail2ban/action.d")); err != nil {
		t.Fatal(err)
	}
	options := testfail2ban.Options(dir, dir)
	testfail2ban.Start(t, nil, options...)
	client = append([]string{"fail2ban-client"}, options...)
	return dir, client
}

// ask runs the client until it succeeds.
func ask(t *testing.T, client []string, words ...string) {
	t.Helper()
	command := append(slices.Clone(client), words...)
	var said []byte
	var err error
	if !testpoll.Until(time.Minute, func() bool {
		said, err = exec.Command(command[0], command[1:]...).CombinedOutput()
		return err == nil
	}) {
		t.Fatalf("%q: %v\n%s", command, err, said)
	}
}

// TestFail2ban asks a real fail2ban with a jail for each stock action.
func TestFail2ban(t *testing.T) {
	testns.Enter(t)
	var jails strings.Builder
	var want []Jail
	dir := ""
	for _, s := range stock {
		fmt.Fprintf(&jails, "[j-%s]\naction = %s[name=%%(__name__)s, port=\"5060,5061\", protocol=\"udp\"]\n", s.action, s.action)
	}
	// Some jails have two actions, an action in Python, two logs, bans, or no action.
	jails.WriteString("[more]\nlogpath = DIR/messages.log\n\tDIR/second.log\naction = iptables-multiport[name=more]\n\tdummy\n\tsmtp.py[sendername=x]\n[none]\naction =\n")
	dir, client := startFail2ban(t, jails.String())
	ask(t, client, "set", "more", "banip", "203.0.113.7", "2001:db8::7", "198.51.100.0/24")
	ask(t, client, "status", "none")
	log := func() string {
		text, err := os.ReadFile(filepath.Join(dir, "fail2ban.log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := strings.Count(log(), "has failed")

	l := probe.New(t.Context(), t.TempDir())
	f := Look(t.Context(), l, client)
	if f == nil || !f.Running || len(l.Unknowns()) > 0 {
		t.Fatalf("%+v, unknown %+v", f, l.Unknowns())
	}
	version, err := exec.Command("fail2ban-client", "--version").Output()
	if err != nil || f.Version == "" || !strings.Contains(string(version), "v"+f.Version+"\n") {
		t.Errorf("version %q, not %q", f.Version, version)
	}
	messages := filepath.Join(dir, "messages.log")
	for _, s := range stock {
		name := "j-" + s.action
		s.want.Name = s.action
		s.want.Target, s.want.Target6 = strings.ReplaceAll(s.want.Target, "NAME", name), strings.ReplaceAll(s.want.Target6, "NAME", name)
		want = append(want, Jail{Name: name, Logs: []string{messages}, Banned: []netip.Addr{}, Actions: []Action{s.want}})
	}
	want = append(want,
		Jail{Name: "more", Logs: []string{messages, filepath.Join(dir, "second.log")},
			Banned:         []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")},
			BannedNetworks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
			Actions:        []Action{{Name: "iptables-multiport", Into: IntoChain, Target: "f2b-more"}, {Name: "dummy", Into: IntoOther}, {Name: "smtp", Into: IntoOther}}},
		Jail{Name: "none", Logs: []string{messages}, Banned: []netip.Addr{}, Actions: []Action{}})
	byName := func(a, b Jail) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(want, byName)
	slices.SortFunc(f.Jails, byName)
	for i := range f.Jails {
		slices.Sort(f.Jails[i].Logs)
		slices.SortFunc(f.Jails[i].Banned, netip.Addr.Compare)
	}
	for i := range want {
		slices.Sort(want[i].Logs)
	}
	if d := cmp.Diff(want, f.Jails, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error(d)
	}
	// The questions must not leave errors in fail2ban's log.
	if after := strings.Count(log(), "has failed"); after != before {
		t.Errorf("the look left %d errors in fail2ban's log", after-before)
	}
}

// TestFail2banStopped asks clients without a server.
func TestFail2banStopped(t *testing.T) {
	client := append([]string{"fail2ban-client"}, testfail2ban.Options(testfail2ban.New(t, nil), t.TempDir())...)
	l := probe.New(t.Context(), "/")
	l.Processes = nil // ignore this machine's processes
	f := Look(t.Context(), l, client)
	if f == nil || f.Running || f.Version == "" || f.Jails == nil || len(l.Unknowns()) > 0 {
		t.Errorf("%+v, unknown %+v", f, l.Unknowns())
	}
	if f.Mistake != "" {
		t.Errorf("a configuration without a mistake has %q", f.Mistake)
	}
	// This one does not start: Debian's own jail for sshd on a host without rsyslog.
	sick := append([]string{"fail2ban-client"}, testfail2ban.Options(testfail2ban.New(t, map[string]string{
		"jail.local": "[sshd]\nenabled = true\nbackend = polling\nlogpath = " + filepath.Join(t.TempDir(), "absent") + "\n"}), t.TempDir())...)
	if f := Look(t.Context(), l, sick); f.Mistake != "Have not found any log file for sshd jail" {
		t.Errorf("the mistake is %q", f.Mistake)
	}
	// This one does not start for another reason, which its test does not report. The folder of
	// modules is the test's own, since the machine may have the module.
	journal := append([]string{"fail2ban-client"}, testfail2ban.Options(testfail2ban.New(t, map[string]string{
		"jail.local": "[sshd]\nenabled = true\nbackend = systemd\n"}), t.TempDir())...)
	folder := t.TempDir()
	elsewhere := probe.New(t.Context(), folder)
	here := &Facts{}
	if here.lookAtConfig(t.Context(), elsewhere, journal); !slices.Equal(here.JournalJails, []string{"sshd"}) || here.Mistake != "" {
		t.Errorf("without the module: %+v", here)
	}
	module := filepath.Join(folder, "usr/lib/python3/dist-packages/systemd/journal.py")
	if err := errors.Join(os.MkdirAll(filepath.Dir(module), 0o755), os.WriteFile(module, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	here = &Facts{}
	if here.lookAtConfig(t.Context(), elsewhere, journal); len(here.JournalJails) > 0 {
		t.Errorf("with the module: %+v", here)
	}
	// This one runs, but does not answer.
	l.Processes = []probe.Process{{Name: "fail2ban-server"}}
	if f := Look(t.Context(), l, client); f.Running || !f.Silent || len(l.Unknowns()) != 1 || l.Unknowns()[0].Remedy == "" {
		t.Errorf("%+v, unknown %+v", f, l.Unknowns())
	}
	// This one is not installed.
	l = probe.New(t.Context(), "/")
	if Look(t.Context(), l, []string{filepath.Join(t.TempDir(), "absent")}); len(l.Unknowns()) == 0 {
		t.Error("an absent client is no trouble")
	}
}
