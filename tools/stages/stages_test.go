package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
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
		for pkg, chosen := range s.chosen(tests) {
			for _, test := range chosen {
				ran[pkg+" "+test]++
			}
		}
	}
	if len(ran) < 700 {
		t.Errorf("%d tests", len(ran))
	}
	if wrong := slices.Concat(compare(tests, ran), strangers(tests)); wrong != nil {
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

// TestCompare: tests that have not run once are named, and all are still counted afterwards.
func TestCompare(t *testing.T) {
	tests := map[string][]string{"a": {"TestA", "TestB"}, "b": {"TestA"}, "d": {"TestD"}}
	all := tally{ran: map[string]int{}}
	all.add(tally{ran: map[string]int{"a TestA": 1, "b TestA": 1}, skipped: 1})
	all.add(tally{ran: map[string]int{"b TestA": 1, "c TestC": 1, "d TestD": 1}, skipped: 1})
	want := []string{"a TestB has run 0 times", "b TestA has run 2 times", "c TestC has run, and is in no file"}
	if got := compare(tests, all.ran); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := all.summary(); got != "each of all 4 tests has run, in one stage, 2 of them skipped" {
		t.Error(got)
	}
	if got := strangers(map[string][]string{"z": forRoot}); len(got) != len(packages) {
		t.Errorf("%q", got)
	}
}

// TestInterrupted: what a cancelled command has started ends, too. It has the same stdout, so this
// would wait for it.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newProgress(writerFunc(func(text []byte) {
		if string(text) == "started\n" {
			cancel()
		}
	}))
	if err := p.follow(command(ctx, "sh", "-c", "sh -c 'echo started; exec sleep 1000'; echo goes on")); ctx.Err() == nil || err == nil && !p.failed {
		t.Errorf("%v, failed %v", err, p.failed)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(text []byte) (int, error) { f(text); return len(text), nil }

// write returns a new folder with files.
func write(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestUnsaid: a stage does not succeed if a package ends well without its tests.
func TestUnsaid(t *testing.T) {
	t.Chdir(write(t, map[string]string{
		"go.mod":      "module " + module[:len(module)-1] + "\ngo 1.24\n",
		"run.sh":      `exec "$@"`,
		"a/a_test.go": "package a\nimport (\"os\"; \"testing\")\nfunc TestMain(*testing.M) { os.Exit(0) }\nfunc TestA(*testing.T) {}\n",
		"b/b_test.go": "package b\nimport \"testing\"\nfunc TestB(*testing.T) {}\n",
	}))
	tests, err := find([]string{"./..."})
	if err != nil {
		t.Fatal(err)
	}
	all := tally{ran: map[string]int{}}
	err = stage{name: stages[0].name, wrap: "run.sh", most: stages[0].most}.run(t.Context(), tests, &all)
	if err == nil || err.Error() != stages[0].name+":\na TestA has run 0 times" {
		t.Errorf("%v", err)
	}
}

// TestProgress runs "go test" for a package with a test that passes, one that fails, one that is
// partly skipped, and one that ends the program.
func TestProgress(t *testing.T) {
	dir := write(t, map[string]string{
		"go.mod": "module example.net/m\ngo 1.24\n",
		"a/a_test.go": `package a
import "testing"
func TestGood(t *testing.T) { t.Log("nobody asks") }
func TestBad(t *testing.T) { t.Log("why"); t.Run("part", func(t *testing.T) { t.Error("so bad") }); t.Run("well", func(t *testing.T) { t.Log("nobody asks") }) }
func TestNone(none *testing.T) { none.SkipNow() }
func TestHalf(t *testing.T) { t.Run("part", func(half *testing.T) { half.Skip("no kernel") }) }
`,
		"b/b_test.go": `package b
import ("fmt"; "os"; "testing")
func TestGood(t *testing.T) {}
func TestEnds(t *testing.T) { fmt.Println("before"); os.Exit(3) }
`,
		"c/c_test.go": "package c\nfunc TestX(t *testing.T) {}\n",
		"d/d_test.go": "package d\nimport \"testing\"\nfunc TestGood(t *testing.T) {}\n",
	})
	var out strings.Builder
	p := newProgress(&out)
	cmd := exec.Command("go", "test", "-json", "-vet=off", "./...")
	cmd.Dir = dir
	if err := p.follow(cmd); err != nil {
		t.Fatal(err)
	}
	said := out.String()
	for _, want := range []string{"why", "so bad", "no kernel", "example.net/m/a TestHalf/part is skipped here", "example.net/m/b TestEnds has not ended", "before", "undefined: testing", "FAIL  example.net/m/a             4 tests", ", 1 of them skipped, 1 parts skipped\n", "ok    example.net/m/d             1 tests"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if want := []string{"example.net/m/a TestBad", "example.net/m/a TestBad/part", "example.net/m/a TestHalf/part", "example.net/m/a TestNone"}; !slices.Equal(slices.Sorted(slices.Values(p.failures)), want) {
		t.Errorf("failed: %v", p.failures)
	}
	if strings.Contains(said, "nobody asks") || !p.failed || p.tests != 6 || p.skipped != 1 || p.ran["example.net/m/a TestBad"] != 1 {
		t.Errorf("%d tests, failed %v, ran %v:\n%s", p.tests, p.failed, p.ran, said)
	}
}
