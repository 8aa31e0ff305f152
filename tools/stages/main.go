// Stages runs the tests of one stage after the other, with a line for each package:
//
//	go -C tools run ./stages STAGE... [-- PACKAGE...]
//	go -C tools run ./stages list
//
// A stage that fails is the last one. After each stage, and after all, it compares the tests that
// have run with those in the source: each must have run once. "list" prints the stage of each test.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/voipbl/voipbl/tools/cancel"
)

func main() {
	err := os.Chdir("..")
	if err == nil {
		err = run(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stages:", err)
		os.Exit(1)
	}
}

func run(names []string) error {
	patterns := []string{"./..."}
	if i := slices.Index(names, "--"); i >= 0 {
		names, patterns = names[:i], names[i+1:]
	}
	tests, err := find(patterns)
	if err != nil {
		return err
	}
	if slices.Equal(names, []string{"list"}) {
		for _, pkg := range sorted(tests) {
			for _, test := range tests[pkg] {
				fmt.Println(stageOf(pkg, test), pkg, test)
			}
		}
		return nil
	}
	ctx, stop := cancel.Context()
	defer stop()
	all := tally{ran: map[string]int{}}
	for _, name := range names {
		i := slices.IndexFunc(stages, func(s stage) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("no stage is called %s", name)
		}
		if err := stages[i].run(ctx, tests, &all); err != nil {
			return err
		}
	}
	if len(names) < len(stages) || !slices.Equal(patterns, []string{"./..."}) {
		return nil
	}
	if wrong := slices.Concat(compare(tests, all.ran), strangers(tests)); wrong != nil {
		return errors.New(strings.Join(wrong, "\n"))
	}
	fmt.Println(all.summary())
	return nil
}

// run runs a stage and adds to all which tests have run.
func (s stage) run(ctx context.Context, tests map[string][]string, all *tally) error {
	fmt.Printf("%s: %s\n", s.name, s.what)
	start := time.Now()
	p := newProgress(os.Stdout)
	for _, g := range s.groups(tests) {
		// Most tests wait for others, so there are more at once than processors.
		args := slices.Concat([]string{s.wrap, "go", "test", "-json", "-count=1", "-vet=off", "-p=3", "-parallel=4", "-timeout=" + s.most.String()}, s.args, g.filter)
		for _, pkg := range g.packages {
			args = append(args, "./"+pkg)
		}
		if err := p.follow(command(ctx, "sh", args...)); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: interrupted", s.name)
		}
	}
	if p.failed {
		if p.failures != nil {
			fmt.Printf("failed:\n  %s\n", strings.Join(p.failures, "\n  "))
		}
		return fmt.Errorf("%s has failed after %s", s.name, seconds(time.Since(start)))
	}
	if wrong := compare(s.chosen(tests), p.ran); wrong != nil {
		return fmt.Errorf("%s:\n%s", s.name, strings.Join(wrong, "\n"))
	}
	all.add(p.tally)
	fmt.Printf("%s: %d tests of %d packages in %s%s\n\n", s.name, p.tests, p.packages, seconds(time.Since(start)), ofThem(p.skipped))
	return nil
}

// command returns a command that is interrupted, with all that it has started, when ctx ends.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second // then it is killed
	return cmd
}
