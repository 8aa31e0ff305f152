package fail2ban_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLoads: fail2ban accepts all files, and until a jail is turned on nothing changes.
func TestLoads(t *testing.T) {
	h := newHost(t, "nft")
	h.sh("fail2ban-client -c " + h.path("etc") + " --test")
	if dump := h.sh("fail2ban-client -c " + h.path("etc") + " -d"); strings.Contains(dump, "voipbl") {
		h.Errorf("jails are on by default:\n%s", dump)
	}
	// The logs of Asterisk need not exist.
	h.jails("[voipbl-asterisk]\nenabled = true\naction = voipbl-set[port=\"%(port)s\", protocol=\"%(protocol)s\"]\n\tvoipbl-ban\n\tvoipbl-report\n[voipbl-ssh]\nenabled = true\n")
	h.sh("fail2ban-client -c " + h.path("etc") + " --test")
	dump := h.sh("fail2ban-client -c " + h.path("etc") + " -d")
	for _, want := range []string{
		"['add', 'voipbl-asterisk', ", "['set', 'voipbl-asterisk', 'addlogpath', '" + h.path("etc/jail.d/voipbl.conf") + "'",
		"['add', 'voipbl-ssh', 'systemd']", "['set', 'voipbl-ssh', 'addaction', 'voipbl-ssh']",
		"['set', 'voipbl-asterisk', 'addaction', 'voipbl-set']", "['set', 'voipbl-asterisk', 'addaction', 'voipbl-ban']", "['set', 'voipbl-asterisk', 'addaction', 'voipbl-report']",
		"['add', 'voipbl-asterisk-unknown', ", "['set', 'voipbl-asterisk-unknown', 'addaction', 'voipbl-set']", "['set', 'voipbl-asterisk-unknown', 'maxretry', 60]", "['set', 'voipbl-asterisk-unknown', 'bantime', '1h']",
		"['set', 'voipbl-asterisk-unknown', 'addlogpath', '" + h.path("etc/jail.d/voipbl.conf") + "'",
		"['set', 'voipbl-asterisk', 'bantime', '1d']", "['port', '5060:5061']", "['protocol', 'udp,tcp']",
	} {
		if !strings.Contains(dump, want) {
			h.Errorf("there is no %s in:\n%s", want, dump)
		}
	}
	// Each jail asks who is exempt, for at most this long.
	text, err := os.ReadFile("jail.d/voipbl.conf")
	if err != nil {
		t.Fatal(err)
	}
	shipped := regexp.MustCompile(`(?m)^\[(.*)\]$`).FindAllStringSubmatch(string(text), -1)
	if len(shipped) < 4 {
		t.Fatalf("the jails are %v", shipped)
	}
	var all strings.Builder
	for _, name := range shipped {
		all.WriteString("[" + name[1] + "]\nenabled = true\nlogpath = " + h.path("etc/jail.d/voipbl.conf") + "\n")
	}
	h.jails(all.String())
	dump = h.sh("fail2ban-client -c " + h.path("etc") + " -d")
	for _, name := range shipped {
		if want := "['set', '" + name[1] + "', 'ignorecommand', 'timeout -s KILL 5 voipbl exempt --quiet <ip>']"; !strings.Contains(dump, want) {
			t.Errorf("there is no %s", want)
		}
	}
	// fail2ban takes text after a blank and a semicolon for a comment. A "case" without its end
	// would show that.
	for line := range strings.Lines(dump) {
		if strings.Count(line, "case ") != strings.Count(line, "esac") {
			h.Errorf("something was cut off: %s", line)
		}
	}
}

// TestREADME loads what README tells an admin to write: it turns on all jails, and changes none of the
// admin's other jails.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## fail2ban\n")
	local := regexp.MustCompile(`(?m)^    .*\n(?:(?:    .*)?\n)*`).FindString(section)
	if !strings.Contains(local, "[voipbl-asterisk]") {
		t.Fatalf("README has no jails:\n%s", section)
	}
	h := newHost(t, "nft")
	h.jails(strings.ReplaceAll(local, "    ", ""))
	var ignored []string
	for line := range strings.Lines(h.sh("fail2ban-client -c " + h.path("etc") + " -d")) {
		if m := regexp.MustCompile(`^\['set', '([^']*)', 'ignorecommand', '(.*)'\]$`).FindStringSubmatch(strings.TrimSpace(line)); m != nil && m[2] != "" {
			ignored = append(ignored, m[1]+": "+m[2])
		}
	}
	want := []string{"voipbl-asterisk: timeout -s KILL 5 voipbl exempt --quiet <ip>", "voipbl-asterisk-unknown: timeout -s KILL 5 voipbl exempt --quiet <ip>", "voipbl-ssh: timeout -s KILL 5 voipbl exempt --quiet <ip>"}
	if diff := cmp.Diff(want, ignored); diff != "" {
		t.Errorf("asked about (-want +got):\n%s", diff)
	}
}

// TestDocs loads each jail and action that docs/fail2ban.md tells an admin to write.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/fail2ban.md")
	if err != nil {
		t.Fatal(err)
	}
	jails, actions := 0, 0
	for _, block := range regexp.MustCompile(`(?m)^    .*\n(?:(?:    .*)?\n)*`).FindAllString(string(text), -1) {
		block = strings.ReplaceAll("\n"+block, "\n    ", "\n")
		_, jail, found := strings.Cut(block, "\n[voipbl-")
		_, action, other := strings.Cut(block, "\naction = ")
		switch {
		case !found && !other:
			continue
		case !found:
			jail = "asterisk]\nenabled = true\naction = " + action
			actions++
		}
		jails++
		h := newHost(t, "nft")
		h.jails("[voipbl-" + strings.ReplaceAll(jail, "/etc/fail2ban/jail.d/", h.path("etc/jail.d")+"/"))
		h.sh("fail2ban-client -c " + h.path("etc") + " --test")
		if dump := h.sh("fail2ban-client -c " + h.path("etc") + " -d"); strings.Contains(jail, "enabled = true") && !strings.Contains(dump, "'addaction', 'voipbl-") {
			t.Errorf("no jail is on with\n%s", jail)
		}
	}
	if jails < 7 || actions < 2 {
		t.Errorf("%d jails and %d actions were found", jails, actions)
	}
}

// TestOneQuestion: the jails, the docs and doctor use the same command to ask voipbl, with a time limit,
// since fail2ban waits for the answer.
func TestOneQuestion(t *testing.T) {
	const question = "ignorecommand = timeout -s KILL 5 voipbl exempt --quiet <ip>"
	asked := regexp.MustCompile(`ignorecommand = [^\n]*voipbl exempt[^\n"]*<ip>`)
	for pattern, want := range map[string]int{"jail.d/*.conf": 4, "../../docs/*.md": 2, "../../README.md": 0, "../../advise/*.go": 1} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files, %v", pattern, err)
		}
		n := 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range asked.FindAllString(string(text), -1) {
				if n++; found != question {
					t.Errorf("%s has %q, not %q", file, found, question)
				}
			}
		}
		if n < want {
			t.Errorf("%s: %d questions, not %d", pattern, n, want)
		}
	}
}
