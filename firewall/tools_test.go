package firewall

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/voipbl/voipbl/internal/testns"
	"github.com/voipbl/voipbl/internal/testrules"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/ruleset"
)

// TestIncompatible has native rules in a table of iptables. Nothing is changed there, since it is not known
// where a rule of voipbl's would stand; the other tables and the other family can still be used.
func TestIncompatible(t *testing.T) {
	for name, rule := range map[string]string{
		"a random map":  "numgen inc mod 2 vmap { 0 : accept, 1 : drop }",
		"a count":       "ct count over 5 drop",
		"a named count": "counter name knocks",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, NFT)
			h.load(residents)
			h.sh("nft add counter ip filter knocks; nft 'add rule ip filter INPUT " + rule + "'")
			rules := func() string { return h.sh("nft -a list table ip filter") }
			before := rules()
			done, err := h.try(testrules.Full().Wanted())
			var incompatible *iptables.IncompatibleError
			if !errors.As(err, &incompatible) || incompatible.Family != iptables.IPv4 || incompatible.Table != "filter" {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(incompatible.Remedy(), `"nft list table ip filter"`) {
				t.Errorf("remedy %q", incompatible.Remedy())
			}
			if diff := diff(before, rules()); diff != "" {
				t.Errorf("changed (-before +after):\n%s", diff)
			}
			h.partly(err, done, testrules.Full().Wanted(), iptables.IPv4)

			h.apply(testrules.AtPrerouting(testrules.DropOnly()).Wanted())
			if got := purposes(rulesOf(h.dump(iptables.IPv4), "raw", "PREROUTING")); len(got) == 0 || got[0] != "drop what comes from blocked addresses" {
				t.Errorf("PREROUTING has %q", got)
			}
			h.apply(ruleset.Wanted{})
			if diff := diff(before, rules()); diff != "" {
				t.Errorf("the table has changed (-before +after):\n%s", diff)
			}
		})
	}
}

// TestMistold has native rules in a table of iptables that its tools show wrong without an error: as drops of
// everything, or in chains that they leave out. voipbl writes nothing that was listed, so they stay as
// they are.
func TestMistold(t *testing.T) {
	h := newHost(t, NFT)
	h.load(residents)
	h.sh(`nft 'add rule ip filter INPUT ip saddr { 192.0.2.1, 192.0.2.2 } drop'
	      nft 'insert rule ip filter INPUT tcp dport vmap { 22 : accept, 23 : drop }'
	      nft 'add rule ip filter f2b-sshd ip saddr { 192.0.2.3, 192.0.2.4 } counter packets 4 bytes 400 drop'
	      nft 'add chain ip filter mine { type filter hook input priority 5; policy accept; }'
	      nft 'add rule ip filter mine ip saddr { 192.0.2.5, 192.0.2.6 } drop'`)
	if told := rulesOf(h.dump(iptables.IPv4), "filter", "INPUT"); !slices.Contains(told, "-j DROP") {
		t.Fatalf("the tools tell the truth: %q", told)
	}
	// What nft lists of them, with handles, which a rule that was written anew would not have.
	others := func() string {
		return strings.Join(regexp.MustCompile(`.*(192\.0\.2\.|vmap).*\n`).FindAllString(h.sh("nft -a list ruleset"), -1), "")
	}
	before := others()
	if strings.Count(before, "\n") != 4 || strings.Count(before, "# handle ") != 4 {
		t.Fatalf("not the four rules that were staged:\n%s", before)
	}
	for _, want := range []ruleset.Wanted{testrules.DropOnly().Wanted(), testrules.Full().Wanted(), testrules.AtPrerouting(testrules.Full()).Wanted(), {}} {
		h.apply(want)
		h.unchanged(want)
		if diff := diff(before, others()); diff != "" {
			t.Errorf("changed (-before +after):\n%s", diff)
		}
	}
}

// TestBothBackends reads one backend while the other has tables too, about which the tools of nf_tables
// warn.
func TestBothBackends(t *testing.T) {
	h := newHost(t, NFT)
	other := &Firewall{Backend: Legacy}
	if other.InUse() {
		t.Error("legacy has tables before anybody has made one")
	}
	if got := ReadUsers(t.Context()).OfSet("voip_bl"); len(got) != 0 || other.InUse() {
		t.Errorf("rules %q; asking made tables: %v", got, other.InUse())
	}
	h.sh("iptables-legacy -w 20 -A INPUT -m set --match-set voip_bl src -j DROP; ip6tables-nft -A FORWARD -m set --match-set voip_bl6 src -j DROP")
	if !other.InUse() {
		t.Error("legacy has a table and is not in use")
	}
	h.apply(testrules.DropOnly().Wanted())
	h.unchanged(testrules.DropOnly().Wanted())
	for set, want := range map[string][]string{
		"voip_bl":  {"iptables-nft: -A INPUT " + dropHook, "iptables-legacy: -A INPUT -m set --match-set voip_bl src -j DROP"},
		"voip_bl6": {"ip6tables-nft: -A FORWARD -m set --match-set voip_bl6 src -j DROP", "ip6tables-nft: -A INPUT " + words[iptables.IPv6].Replace(strings.Replace(dropHook, "voip_bl", "VOIP_BL", 1))},
	} {
		rules := ReadUsers(t.Context())
		if diff := diff(strings.Join(want, "\n"), strings.Join(rules.OfSet(set), "\n")); diff != "" || rules.Unknown != [2]error{} {
			t.Errorf("%s (-want +got):\n%s", set, diff)
		}
	}
	if got := ReadUsers(t.Context()).ForeignOfSet("voip_bl"); len(got) != 1 || !strings.HasPrefix(got[0], "iptables-legacy: ") {
		t.Errorf("of others: %q", got)
	}
}

// TestFindTool tells a tool that is not installed from one that cannot be looked for, whose rules may
// exist.
func TestFindTool(t *testing.T) {
	was := systemFolders
	t.Cleanup(func() { systemFolders = was })
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	systemFolders = []string{filepath.Join(dir, "none"), dir}
	missing := func() bool {
		_, err := findTool("iptables-nft-save")
		return errors.As(err, new(*iptables.MissingToolError))
	}
	if !missing() {
		t.Error("it is not there, and not missing")
	}
	if _, err := Open(string(NFT)); !errors.As(err, new(*iptables.MissingToolError)) {
		t.Errorf("it is not there: %v", err)
	}
	sealed := filepath.Join(dir, "iptables-nft-save")
	if err := os.WriteFile(sealed, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := findTool("iptables-nft-save"); !errors.As(err, new(*sealedToolError)) {
		t.Errorf("it may not be run: %v", err)
	}
	if err := os.Remove(sealed); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "iptables-nft-save")
	if err := os.Symlink(loop, loop); err != nil { // nobody can follow it, not even root
		t.Fatal(err)
	}
	if missing() {
		t.Error("it cannot be looked at, and is missing")
	}
	s := &iptables.Saved{}
	if _, s.Trouble = start(t.Context(), "", "iptables-nft-save").wait(); s.Unknown() == nil {
		t.Error("it cannot be looked at, and nothing can be there")
	}
}

// TestSystemBackend: which backend a host's command "iptables" belongs to.
func TestSystemBackend(t *testing.T) {
	for _, b := range []Backend{NFT, Legacy} {
		t.Setenv("PATH", linkTools(t, b)+":"+os.Getenv("PATH"))
		fw, err := Open("auto")
		if err != nil || fw.Backend != b || fw.Backend.Other() == b {
			t.Errorf("linked to %s: %v, %v", b, fw, err)
		}
	}
	// Not a link, but a program of that name that prints its version.
	for said, want := range map[string]Backend{
		"iptables v1.8.9 (nf_tables)": NFT, "iptables v1.8.9 (legacy)": Legacy, "iptables v1.6.1": Legacy,
	} {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "iptables"), []byte("#!/bin/sh\necho '"+said+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":/usr/bin:/bin")
		if got, err := systemBackend(); err != nil || got != want {
			t.Errorf("%s: %s, %v", said, got, err)
		}
	}
}

// TestMissingTool looks in PATH and in the system's folders.
func TestMissingTool(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, backend := range []string{"nft", "legacy", "auto"} {
		if _, err := Open(backend); err != nil {
			t.Errorf("%s, with a PATH as cron's: %v", backend, err)
		}
	}
	had := systemFolders
	systemFolders = nil
	defer func() { systemFolders = had }()
	for backend, tool := range map[string]string{"nft": "iptables-nft-save", "legacy": "iptables-legacy-save", "auto": "iptables"} {
		_, err := Open(backend)
		var missing *iptables.MissingToolError
		if !errors.As(err, &missing) || missing.Tool != tool || !strings.Contains(missing.Remedy(), "apt-get install iptables") {
			t.Errorf("%s: %v", backend, err)
		}
	}
	// Tools that are removed while voipbl is at work.
	fw := &Firewall{Backend: NFT}
	var missing *iptables.MissingToolError
	if _, err := fw.Read(t.Context()); !errors.As(err, &missing) {
		t.Errorf("read: %v", err)
	}
}

// TestWithoutRights runs this test's own binary as nobody.
func TestWithoutRights(t *testing.T) {
	if backend := os.Getenv("VOIPBL_TEST_NOBODY"); backend != "" {
		asNobody(t, backend)
		return
	}
	testskip.UnlessRoot(t)
	testns.Enter(t)
	for _, b := range []Backend{NFT, Legacy} {
		// Make sure there is a rule to read, and a table.
		if out, err := exec.Command("iptables-"+string(b), "-w", "20", "-A", "INPUT", "-j", "ACCEPT").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "test")
	if err := errors.Join(os.WriteFile(program, self, 0o755), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, b := range []Backend{NFT, Legacy} {
		cmd := exec.Command(program, "-test.run", "^TestWithoutRights$", "-test.v")
		cmd.Dir = "/"
		cmd.Env = []string{"VOIPBL_TEST_NOBODY=" + string(b)}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestWithoutRights") {
			t.Errorf("%s: %v: %s", b, err, out)
		}
	}
}

// asNobody is the part without rights.
func asNobody(t *testing.T, backend string) {
	fw, err := Open(backend)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		var refused *ToolError
		if !errors.As(err, &refused) || !strings.Contains(refused.Remedy(), "CAP_NET_ADMIN and CAP_NET_RAW") {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = fw.Read(t.Context())
	check("read", err)
	_, err = fw.Apply(t.Context(), testrules.DropOnly().Wanted(), [2]*iptables.Saved{testrules.Empty(t, iptables.IPv4), testrules.Empty(t, iptables.IPv6)}, nil)
	check("apply", err)
}
