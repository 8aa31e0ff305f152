package voipblsh

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestScriptLines: which lines run the published script, whether they may be removed, and whether
// they ever ran.
func TestScriptLines(t *testing.T) {
	const inCrond, ofUser = "etc/cron.d/voipbl", "var/spool/cron/crontabs/root"
	for _, c := range []struct {
		file, line      string
		alone, neverRan bool
	}{
		{inCrond, "0 */4 * * * root /usr/local/bin/voipbl.sh", true, false},
		{inCrond, "@daily root /usr/local/bin/voipbl.sh", true, false},
		{inCrond, "0 */4 * * * root /usr/local/bin/voipbl.sh && /usr/bin/backup", false, false},
		{inCrond, "0 */4 * * * * root /usr/local/bin/voipbl.sh", true, true}, // as published
		{inCrond, "0 */4 * * *\t*\troot\t/usr/local/bin/voipbl.sh >/dev/null 2>&1", true, true},
		{inCrond, "0 */4 * * * * root /usr/local/bin/voipbl.sh && /usr/bin/backup", false, true},
		{ofUser, "0 */4 * * * /usr/local/bin/voipbl.sh", true, false},
		{ofUser, "0 */4 * * * * /usr/local/bin/voipbl.sh", true, true},
		{ofUser, "0 */4 * * * * root /usr/local/bin/voipbl.sh", true, true},
		{"etc/anacrontab", "1 5 voipbl /usr/local/bin/voipbl.sh", true, false},
		{ofUser, "X = 0 4 * * /usr/local/bin/voipbl.sh", false, false}, // sets a variable
	} {
		root := t.TempDir()
		file := filepath.Join(root, c.file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("# update blacklist\n"+c.line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		want := Line{File: "/" + c.file, Line: 2, Text: c.line, Alone: c.alone, NeverRan: c.neverRan}
		if got := Lines(root); len(got) != 1 || got[0] != want {
			t.Errorf("%s, %q: %+v, want %+v", c.file, c.line, got, want)
		}
	}
}

// TestRunsOnlyScript: a command may be removed if it certainly runs only the script. It stays if it
// runs or writes anything else, or might.
func TestRunsOnlyScript(t *testing.T) {
	const script = "/usr/local/bin/voipbl.sh"
	for command, want := range map[string]bool{
		script: true, `"` + script + `"`: true, "~/voipbl.sh": true,
		script + " >/dev/null 2>&1":                                    true,
		script + " &>> /var/log/voipbl.log &":                          true,
		script + " # daily":                                            true,
		script + " 2>&1 | logger -t voipbl":                            true,
		script + "; " + script:                                         true,
		"test -x " + script + " && " + script + " || exit 1":           true,
		"[ -x " + script + " ] && sleep 5 && " + script:                true,
		"sleep 60 & cd /srv; exec ./voipbl.sh </dev/null":              true,
		"nice -n 19 ionice -c3 /bin/bash -x " + script:                 true,
		"cd /srv && ./voipbl.sh; /bin/true":                            true,
		"cd /usr/local/bin && " + script + " || /usr/bin/true":         true,
		"/bin/true; /bin/sleep 5; " + script:                           true,
		"nice -19 " + script:                                           true,
		"/usr/bin/sudo -n -u root " + script:                           true,
		"/usr/bin/flock -n /run/voipbl.lock timeout 10m " + script:     true,
		`bash -lc "cd /srv && ./voipbl.sh"`:                            true,
		`flock -w 5 /run/l sh -c 'sleep 5; ` + script + ` >/dev/null'`: true,

		"nice -n 19 /root/backup.sh & " + script:            false,
		"/root/backup.sh\n" + script:                        false,
		script + " & /root/backup.sh":                       false,
		"cd /srv && ./voipbl.sh; /root/true":                false,
		script + " | /root/backup.sh":                       false,
		script + " -v":                                      false,
		`sh -c "/root/backup.sh & ` + script + `"`:          false,
		`sh -c "\$(/root/backup.sh) ; ` + script + `"`:      false,
		`sh -c /root/backup.sh ` + script:                   false,
		"bash -s " + script:                                 false,
		"bash /root/backup.sh " + script:                    false,
		"sh -o " + script:                                   false,
		"nice cp /root/new " + script:                       false,
		"nice /root/backup.sh " + script:                    false,
		"/root/nice " + script:                              false,
		"sudo rm -f /tmp/voipbl.sh":                         false,
		"sudo -u root cat " + script:                        false,
		"timeout 60 cat " + script:                          false,
		"timeout " + script:                                 false,
		"flock " + script:                                   false,
		"flock /run/{l,root/backup.sh} " + script:           false,
		"flock /run/[ab] " + script:                         false,
		"flock /run/l /root/backup.sh " + script:            false,
		`cd /srv && test "$(/root/backup.sh)" && ` + script: false,
		"test `/root/backup.sh` && " + script:               false,
		"test $X && " + script:                              false,
		"true >/var/lib/ran && " + script:                   false,
		"true >&/var/lib/ran && " + script:                  false,
		script + " >$(/root/backup.sh)":                     false,
		script + " > >(/root/backup.sh)":                    false,
		script + " <<<x":                                    false,
		"X=$(/root/backup.sh) " + script:                    false,
		"X=1 " + script:                                     false,
		"! " + script:                                       false,
		"if true; then " + script + "; fi":                  false,
		"(" + script + ")":                                  false,
		script + "%input":                                   false,
		script + " && (":                                    false,
		"/usr/local/bin/voipbl.sh.old":                      false,
		"test -x " + script:                                 false,
		"":                                                  false,
	} {
		if got := runsOnlyScript(command); got != want {
			t.Errorf("%q: %v, want %v", command, got, want)
		}
	}
}

// TestLinesOfScript: only those lines of a shell script may be removed that the rest does not need.
// With a ":" in place of each, the script is still valid and does everything else.
func TestLinesOfScript(t *testing.T) {
	for _, c := range []struct {
		text string
		want []int
	}{
		{"#!/bin/sh\n\nvoipbl.sh\n voipbl.sh >/dev/null; sleep 5 # daily\n", []int{3, 4}},
		{"#!/bin/bash -e\r\nvoipbl.sh\r\n", []int{2}},
		{"#!/usr/bin/env bash\nif true\nthen\n\tvoipbl.sh\nelse\n\tvoipbl.sh\nfi", []int{4, 6}},
		{"#!/bin/sh\nwhile sleep 5; do\nfor x in 1; do {\nvoipbl.sh\n}; done\ndone", []int{4}},
		{"#!/bin/sh\ncase $1 in\na)\n\tvoipbl.sh\n\t;;\nb)\n\tvoipbl.sh ;;\nc) voipbl.sh\nesac", []int{4}},
		{"#!/bin/sh\ncat <<E\nvoipbl.sh\nE\n", nil},
		{"#!/bin/sh\nx='\nvoipbl.sh\n'\n", nil},
		{"#!/bin/sh\nx=$(\nvoipbl.sh\n)\n", nil},
		{"#!/bin/sh\nif\nvoipbl.sh\nthen\nbackup\nfi\n", nil},
		{"#!/bin/sh\nif true; then voipbl.sh\nfi\n", nil},
		{"#!/bin/sh\nbackup &&\nvoipbl.sh\n", nil},
		{"#!/bin/sh\nbackup \\\nvoipbl.sh\n", nil},
		{"#!/bin/sh\nvoipbl.sh &&\nbackup\n", nil},
		{"#!/bin/sh\nvoipbl.sh & backup\n", nil},
		{"#!/bin/sh\nbackup # no voipbl.sh\n", nil},
		{"#!/bin/sh\n{\nvoipbl.sh\n} | backup\n", nil},
		{"#!/bin/sh\nup() {\nvoipbl.sh\n}\nup && backup\n", nil},
		{"#!/bin/sh\nvoipbl.sh &\nwait $!\n", nil},
		{"#!/bin/sh\nexec voipbl.sh\nbackup\n", nil},
		{"#!/bin/sh\nvoipbl.sh || exit 1\nbackup\n", nil},
		{"#!/bin/sh\ncd /srv && ./voipbl.sh\nbackup\n", nil},
		{"#!/bin/sh\nvoipbl.sh\nif\n", nil}, // broken
		{"#!/usr/bin/fish\nvoipbl.sh\n", nil},
		{"#!/bin/csh\nvoipbl.sh\n", nil},
		{"voipbl.sh\n", nil}, // for an unknown shell
	} {
		if got := slices.Sorted(maps.Keys(linesOfScript(c.text))); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
		lines := strings.Split(c.text, "\n")
		for _, n := range c.want {
			lines[n-1] = ": # " + lines[n-1]
		}
		if text := strings.Join(lines, "\n"); c.want != nil && !strings.Contains(text, "\r") {
			if out, err := exec.Command("sh", "-n", "-c", text).CombinedOutput(); err != nil {
				t.Errorf("%q is no script any more: %s", text, out)
			}
		}
	}
}
