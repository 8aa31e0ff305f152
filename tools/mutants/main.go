// Mutants measures the tests of the pure and fast packages: it puts one fault after the other into
// a package, and checks whether a test notices.
//
//	go -C tools run ./mutants [PACKAGE...]
//
// It prints the faults that no test has noticed, and the share of those that were noticed. Faults
// that no test can notice, since they change nothing that matters, are in equivalent.txt, each with
// the reason. It exits with 1 if a share is below 90 %.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	_ "embed"

	"golang.org/x/tools/go/packages"
)

// room is a package, or the part of one that only decides, with the tests that are to notice its
// faults.
type room struct {
	name  string
	files string // names of files to put faults into, without ".go"; "" for all
	tests string // tests to run; "" for all
	slow  string // those of tests that run only if the others have noticed nothing
}

// least is the share of faults that has to be noticed.
const least = 0.9

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(names []string) error {
	// A fault may make a program use all time and memory.
	syscall.Setpriority(syscall.PRIO_PROCESS, 0, 15)
	syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: 8 << 30, Max: 8 << 30})
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	var bad []string
	for _, r := range rooms {
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		s, err := r.judge(root, filepath.Join(work, strings.ReplaceAll(r.name, "/", "_")))
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Printf("%s: %d of %d noticed (%.1f %%), %d equivalent, in %s\n", r.name, s.noticed, s.all, 100*s.share(), s.equivalent, s.took.Round(time.Second))
		if s.share() < least {
			bad = append(bad, r.name)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("below %.0f %%: %s", 100*least, strings.Join(bad, ", "))
	}
	return nil
}

// score counts the faults of one room by outcome, without the equivalent ones.
type score struct {
	noticed, all, equivalent int
	took                     time.Duration
}

func (s score) share() float64 { return float64(s.noticed) / float64(max(s.all, 1)) }

func (r room) judge(root, work string) (s score, err error) {
	began := time.Now()
	if err := os.Mkdir(work, 0o700); err != nil {
		return s, err
	}
	dir := filepath.Join(root, r.name)
	p, err := r.build(dir, work)
	if err != nil {
		return s, err
	}
	t := tests{dir: dir, program: filepath.Join(work, "tests"), room: r}
	seen, err := t.first(filepath.Join(work, "seen"))
	if err != nil {
		return s, err
	}
	for i, f := range p.faults {
		noticed := false
		if seen[i+1] {
			if noticed, err = t.notice(i + 1); err != nil {
				return s, err
			}
		}
		line, err := f.line(r.name)
		switch {
		case err != nil:
			return s, err
		case noticed:
			s.noticed++
		case equivalent[line]:
			s.equivalent++
			continue
		default:
			fmt.Printf("%s:%d: noticed by no test:\n%s\n", filepath.Join(r.name, filepath.Base(f.at.Filename)), f.at.Line, line)
		}
		s.all++
	}
	s.took = time.Since(began)
	return s, nil
}

// line returns a fault as it is printed and as equivalent.txt has it: with its line of code, so that it
// is found again after that has moved. A break or continue alone would say too little, so the line
// above it comes first.
func (f fault) line(room string) (string, error) {
	text, err := os.ReadFile(f.at.Filename)
	if err != nil {
		return "", err
	}
	lines := strings.Split(string(text), "\n")
	code, at := lines[f.at.Line-1], f.at.Column-1
	shown := strings.TrimSpace(code[:at] + "»" + code[at:])
	if above := f.at.Line - 2; above >= 0 && !strings.Contains(shown, " ") {
		shown = strings.TrimSpace(lines[above]) + " " + shown
	}
	return fmt.Sprintf("%s/%s: %s: %s", room, filepath.Base(f.at.Filename), f.kind, shown), nil
}

//go:embed equivalent.txt
var equivalentText string

// equivalent returns the lines of equivalent.txt without reasons and comments.
var equivalent = func() map[string]bool {
	all := make(map[string]bool)
	for line := range strings.Lines(equivalentText) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && line[0] != '#' && line[0] != '\t' {
			all[line] = true
		}
	}
	return all
}()

// check returns an error if a name of a room is of no file and no test in dir any more. The room
// would be measured without it, or not at all.
func (r room) check(dir string) error {
	pkg, err := build.ImportDir(dir, 0)
	if err != nil {
		return err
	}
	var tests []string
	for _, name := range slices.Concat(pkg.TestGoFiles, pkg.XTestGoFiles) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		for _, found := range testName.FindAllSubmatch(text, -1) {
			tests = append(tests, string(found[1]))
		}
	}
	for _, of := range []struct {
		kind, names string
		there       []string
	}{{"file", r.files, pkg.GoFiles}, {"test", r.tests, tests}, {"test", r.slow, tests}} {
		for name := range strings.SplitSeq(of.names, "|") {
			is, err := regexp.Compile("^(" + name + `)(\.go)?$`)
			if err != nil {
				return err
			}
			if name != "" && !slices.ContainsFunc(of.there, is.MatchString) {
				return fmt.Errorf("tools/mutants/rooms.go: no %s is called %s", of.kind, name)
			}
		}
	}
	return nil
}

var testName = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w*)\(`)

// build compiles the tests of a room with all its faults.
func (r room) build(dir, work string) (*planter, error) {
	if err := r.check(dir); err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedDeps,
		Dir:  dir,
	}, ".")
	if err != nil {
		return nil, err
	}
	if packages.PrintErrors(loaded) > 0 {
		return nil, errors.New("it does not compile")
	}
	p := &planter{pkg: loaded[0]}
	files, err := p.plant(func(name string) bool {
		return r.files == "" || slices.Contains(strings.Split(r.files, "|"), strings.TrimSuffix(name, ".go"))
	})
	if err != nil {
		return nil, err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for path, text := range files {
		planted := filepath.Join(work, filepath.Base(path))
		if err := os.WriteFile(planted, text, 0o600); err != nil {
			return nil, err
		}
		overlay.Replace[path] = planted
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return nil, err
	}
	list := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", filepath.Join(work, "tests"), ".")
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("with the faults in it: %w\n%s", err, said)
	}
	return p, nil
}

// tests are the tests of a room.
type tests struct {
	dir, program string
	room         room
	flags        []string
	limit        time.Duration // after which they count as hanging
}

// first runs the tests without a fault: they must pass. It returns which faults are in code that
// they run.
func (t *tests) first(log string) (seen map[int]bool, err error) {
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		return nil, err
	}
	if t.command(context.Background(), "-test.list=^$", noFailFile).Run() == nil {
		t.flags = append(t.flags, noFailFile)
	}
	began := time.Now()
	cmd := t.command(context.Background(), append(slices.Clone(t.flags), "-test.run", anyOf(t.room.tests))...)
	cmd.Env = append(os.Environ(), "FAULTS_SEEN="+log)
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("without a fault: %w\n%s", err, said)
	}
	t.limit = 10*time.Second + 5*time.Since(began)
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seen = make(map[int]bool)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			return nil, err
		}
		seen[n] = true
	}
	return seen, nil
}

// noFailFile keeps rapid from writing failures into the package's testdata.
const noFailFile = "-rapid.nofailfile"

// notice reports whether a test notices a fault.
func (t *tests) notice(fault int) (bool, error) {
	if t.room.slow == "" {
		return t.fails(fault, "-test.run", anyOf(t.room.tests))
	}
	noticed, err := t.fails(fault, "-test.run", anyOf(t.room.tests), "-test.skip", anyOf(t.room.slow))
	if noticed || err != nil {
		return noticed, err
	}
	return t.fails(fault, "-test.run", anyOf(t.room.slow))
}

// anyOf returns a -test.run pattern for names of the given pattern.
func anyOf(names string) string {
	if names == "" {
		return "."
	}
	return "^(" + names + ")$"
}

// fails reports whether tests fail, or hang, with a fault.
func (t *tests) fails(fault int, which ...string) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.limit)
	defer cancel()
	cmd := t.command(ctx, slices.Concat(t.flags, which, []string{"-test.failfast"})...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("FAULT=%d", fault))
	err := cmd.Run()
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) || errors.Is(err, exec.ErrWaitDelay) {
		return err != nil, nil
	}
	return false, err
}

func (t *tests) command(ctx context.Context, flags ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.program, flags...)
	cmd.Dir, cmd.WaitDelay = t.dir, 5*time.Second
	return cmd
}
