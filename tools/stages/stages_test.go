package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	mustRun = func() bool { return true }
	os.Exit(m.Run())
}

// TestStages: the stages together select each test once, and all named tests exist.
func TestStages(t *testing.T) {
	tests, err := find([]string{"./..."})
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for _, s := range stages {
		for _, g := range s.groups(tests) {
			for _, pkg := range g.packages {
				for _, test := range tests[pkg] {
					if g.chooses(test) {
						ran[pkg+" "+test]++
					}
				}
			}
		}
	}
	if len(ran) < 700 {
		t.Errorf("%d tests", len(ran))
	}
	if wrong := compare(tests, ran); wrong != nil {
		t.Errorf("%q", wrong)
	}
	for _, pkg := range []string{"internal/portrange", "internal/shownurl"} { // fuzz targets, too
		out, err := exec.Command("go", "test", "-list", ".", "./"+pkg).Output()
		listed := strings.Fields(string(out))
		if n := slices.Index(listed, "ok"); err != nil || n < 1 || !slices.Equal(slices.Sorted(slices.Values(listed[:n])), slices.Sorted(slices.Values(tests[pkg]))) {
			t.Errorf("%s: %v, %q, in the files %q", pkg, err, listed, tests[pkg])
		}
	}
}

// chooses reports whether "go test" runs a test with the group's filter.
func (g group) chooses(test string) bool {
	if g.filter == nil {
		return true
	}
	is := slices.Contains(forRoot, test)
	return is == (g.filter[0] == "-run")
}

func TestCompare(t *testing.T) {
	tests := map[string][]string{"a": {"TestA", "TestB"}, "b": {"TestA"}}
	for pkg := range packages {
		tests[pkg] = nil
	}
	tests["z"] = forRoot
	ran := map[string]int{"a TestA": 1, "b TestA": 2, "c TestC": 1}
	for _, test := range forRoot[1:] {
		ran["z "+test] = 1
	}
	want := []string{"a TestB has run 0 times", "b TestA has run 2 times", "z " + forRoot[0] + " has run 0 times", "c TestC has run, and is in no file"}
	if got := compare(tests, ran); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := strangers(map[string]bool{}); len(got) != len(packages)+len(forRoot) {
		t.Errorf("%q", got)
	}
}

// TestProgress runs "go test" for a package with a test that passes, one that fails, one that is
// partly skipped, and one that ends the program.
func TestProgress(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.net/m\ngo 1.24\n",
		"a/a_test.go": `package a
import "testing"
func TestGood(t *testing.T) { t.Log("nobody asks") }
func TestBad(t *testing.T) { t.Log("why"); t.Run("part", func(t *testing.T) { t.Error("so bad") }) }
func TestHalf(t *testing.T) { t.Run("part", func(half *testing.T) { half.SkipNow() }) }
`,
		"b/b_test.go": `package b
import ("fmt"; "os"; "testing")
func TestGood(t *testing.T) {}
func TestEnds(t *testing.T) { fmt.Println("before"); os.Exit(3) }
`,
		"c/c_test.go": "package c\nfunc TestX(t *testing.T) {}\n",
		"d/d_test.go": "package d\nimport \"testing\"\nfunc TestGood(t *testing.T) {}\n",
	} {
		file := dir + "/" + name
		if err := os.MkdirAll(file[:strings.LastIndex(file, "/")], 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	ran := map[string]int{}
	p := newProgress(&out, ran)
	cmd := exec.Command("go", "test", "-json", "-vet=off", "./...")
	cmd.Dir = dir
	if err := p.follow(cmd); err != nil {
		t.Fatal(err)
	}
	said := out.String()
	for _, want := range []string{"why", "so bad", "example.net/m/a TestHalf/part is skipped here", "example.net/m/b TestEnds has not ended", "before", "undefined: testing", "FAIL  example.net/m/a             3 tests", "ok    example.net/m/d             1 tests"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "nobody asks") || !p.failed || p.tests != 5 || ran["example.net/m/a TestBad"] != 1 {
		t.Errorf("%d tests, failed %v, ran %v:\n%s", p.tests, p.failed, ran, said)
	}
}
