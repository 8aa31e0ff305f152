package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// event is a line of "go test -json".
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string // of a package that is built
	Elapsed                       float64
}

// patience is how often the packages still running are printed.
const patience = time.Minute

// tally counts tests that have run.
type tally struct {
	ran     map[string]int // by package and test
	skipped int            // those of ran that did nothing
}

func (t *tally) add(more tally) {
	for test, n := range more.ran {
		t.ran[test] += n
	}
	t.skipped += more.skipped
}

func (t tally) summary() string {
	return fmt.Sprintf("each of all %d tests has run, in one stage%s", len(t.ran), ofThem(t.skipped))
}

func ofThem(skipped int) string {
	if skipped == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them skipped", skipped)
}

// progress prints a line for each package that has finished, and at once the output of each test
// that fails, without that of its parts that pass.
type progress struct {
	tally
	out      io.Writer
	running  map[string]*running
	tests    int
	packages int
	failed   bool
	failures []string // package and test or part
}

// running is a package whose tests run.
type running struct {
	since   time.Time
	said    map[string]*strings.Builder // output, by test or part that has not passed; "" for none
	last    string                      // the test that began last
	ran     int
	skipped int // of ran
	parts   int // skipped ones
}

func newProgress(out io.Writer) *progress {
	return &progress{tally: tally{ran: map[string]int{}}, out: out, running: map[string]*running{}}
}

// follow runs "go test" to its end. Failing tests are no error.
func (p *progress) follow(cmd *exec.Cmd) error {
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for r := bufio.NewReader(stdout); ; {
			line, err := r.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for open := true; open; {
		var line string
		select {
		case line, open = <-lines:
			if open {
				p.take(line)
			}
		case <-ticker.C:
			p.still()
		}
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		if !p.failed { // not a test, but "go test" itself or what starts it
			p.failed = true
			fmt.Fprintf(p.out, "%s: %v\n", strings.Join(cmd.Args[:min(4, len(cmd.Args))], " "), err)
		}
		return nil
	}
	return err
}

// take processes a line: an event, or text that is printed as it is.
func (p *progress) take(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		fmt.Fprint(p.out, line)
		return
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(p.out, e.Output)
		return
	case "build-fail":
		p.failed = true
		return
	}
	e.Package = strings.TrimPrefix(e.Package, module)
	r := p.running[e.Package]
	if r == nil {
		r = &running{since: time.Now(), said: map[string]*strings.Builder{"": {}}}
		p.running[e.Package] = r
	}
	_, part, _ := strings.Cut(e.Test, "/")
	switch {
	case e.Test == "":
		p.ofPackage(r, e)
	case e.Action == "run":
		r.last = e.Test
		r.said[e.Test] = new(strings.Builder)
	case e.Action == "output":
		said := r.said[e.Test]
		if said == nil {
			said = r.said[""]
		}
		said.WriteString(e.Output)
	case e.Action == "skip":
		if part == "" {
			r.skipped++
			p.skipped++
		} else {
			r.parts++
		}
		if mustRun() {
			p.failed = true
			p.failures = append(p.failures, e.Package+" "+e.Test)
			fmt.Fprintf(p.out, "%s %s is skipped here: see tools/stages/stages.go\n%s", e.Package, e.Test, r.said[e.Test])
		}
		fallthrough
	case e.Action == "pass", e.Action == "fail":
		if e.Action == "fail" {
			p.failures = append(p.failures, e.Package+" "+e.Test)
		}
		if part == "" {
			p.ended(r, e)
		} else if e.Action != "fail" {
			delete(r.said, e.Test)
		}
	}
}

// ended processes the end of a test with all its parts.
func (p *progress) ended(r *running, e event) {
	if e.Action == "fail" {
		p.failed = true
		fmt.Fprintf(p.out, "%s:\n", e.Package)
	}
	for _, test := range sorted(r.said) {
		if test != e.Test && !strings.HasPrefix(test, e.Test+"/") {
			continue
		}
		if e.Action == "fail" {
			fmt.Fprint(p.out, r.said[test])
		}
		delete(r.said, test)
	}
	r.ran++
	p.ran[e.Package+" "+e.Test]++
}

// ofPackage processes the output of a package, or its end.
func (p *progress) ofPackage(r *running, e event) {
	word := map[string]string{"pass": "ok", "fail": "FAIL", "skip": "none"}[e.Action]
	if word == "" {
		r.said[""].WriteString(e.Output)
		return
	}
	if e.Action == "fail" {
		p.failed = true
		for _, test := range sorted(r.said) { // after a panic or a time-out
			if test != "" {
				fmt.Fprintf(p.out, "%s %s has not ended:\n%s", e.Package, test, r.said[test])
			}
		}
		fmt.Fprint(p.out, r.said[""])
	}
	skipped := ofThem(r.skipped)
	if r.parts > 0 {
		skipped += fmt.Sprintf(", %d parts skipped", r.parts)
	}
	fmt.Fprintf(p.out, "%-5s %-24s %4d tests %8.1f s%s\n", word, e.Package, r.ran, e.Elapsed, skipped)
	p.tests += r.ran
	p.packages++
	delete(p.running, e.Package)
}

// still prints what is still running.
func (p *progress) still() {
	for _, pkg := range sorted(p.running) {
		r := p.running[pkg]
		fmt.Fprintf(p.out, "...   %-24s %4d tests %8s so far, now %s\n", pkg, r.ran, seconds(time.Since(r.since)), r.last)
	}
	if len(p.running) == 0 {
		fmt.Fprintln(p.out, "...   the tests are built")
	}
}

// mustRun reports whether skipped tests are failures, since root can install all that they need.
var mustRun = func() bool { return os.Geteuid() == 0 }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
