package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shownBy is how docs/adversaries.md names a test: a package and a test in it, which
// may be a script.
var shownBy = regexp.MustCompile("`([a-z0-9/]+)\\s((?:Test|Fuzz)\\w+)(?:/([\\w-]+))?`")

// TestAdversaries: each test that docs/adversaries.md names is there, and each line of its
// tables names one.
func TestAdversaries(t *testing.T) {
	text, err := os.ReadFile("../../docs/adversaries.md")
	if err != nil {
		t.Fatal(err)
	}
	names := shownBy.FindAllStringSubmatch(string(text), -1)
	if want := regexp.MustCompile("`[^`]*\\b(Test|Fuzz)[A-Z]\\w*[^`]*`").FindAllString(string(text), -1); len(names) < len(want)-2 { // two are examples
		t.Errorf("%d tests are named, of which %d are a package and a test", len(want), len(names))
	}
	for _, m := range names {
		if !hasTest(t, m[1], m[2]) {
			t.Errorf("%s: package %s has no test %s", m[0], m[1], m[2])
		}
		if m[2] != "TestScripts" || m[3] == "" {
			continue
		}
		if _, err := os.Stat("../../testdata/script/" + m[3] + ".txt"); err != nil {
			t.Errorf("%s: %v", m[0], err)
		}
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| can |") && !strings.HasPrefix(line, "| what blocks") && !shownBy.MatchString(line) {
			t.Errorf("no test shows this: %s", line)
		}
	}
}

// hasTest reports whether a package has a test.
func hasTest(t *testing.T, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
