// Stages runs the tests of one stage after the other, with a line for each package:
//
//	go -C tools run ./stages STAGE... [-- PACKAGE...]
//	go -C tools run ./stages list
//
// A stage that fails is the last one. After all stages, it compares the tests that have run with
// those in the source: each must have run once. "list" prints the stage of each test.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"time"
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
	ran := map[string]int{}
	for _, name := range names {
		i := slices.IndexFunc(stages, func(s stage) bool { return s.name == name })
		if i < 0 {
			return fmt.Errorf("no stage is called %s", name)
		}
		if err := stages[i].run(tests, ran); err != nil {
			return err
		}
	}
	if len(names) < len(stages) || !slices.Equal(patterns, []string{"./..."}) {
		return nil
	}
	if wrong := compare(tests, ran); wrong != nil {
		return errors.New(strings.Join(wrong, "\n"))
	}
	fmt.Printf("each of all %d tests has run, in one stage\n", len(ran))
	return nil
}

// run runs a stage and counts in ran which tests have run.
func (s stage) run(tests map[string][]string, ran map[string]int) error {
	fmt.Printf("%s: %s\n", s.name, s.what)
	// Ctrl-C also reaches the tests; wait for them.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	start := time.Now()
	p := newProgress(os.Stdout, ran)
	for _, g := range s.groups(tests) {
		args := slices.Concat([]string{s.wrap, "go", "test", "-json", "-count=1", "-vet=off", "-parallel=4", "-timeout=" + s.most.String()}, s.args, g.filter)
		for _, pkg := range g.packages {
			args = append(args, "./"+pkg)
		}
		if err := p.follow(exec.Command("sh", args...)); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: interrupted", s.name)
		}
	}
	if p.failed {
		return fmt.Errorf("%s has failed after %s", s.name, seconds(time.Since(start)))
	}
	fmt.Printf("%s: %d tests of %d packages in %s\n\n", s.name, p.tests, p.packages, seconds(time.Since(start)))
	return nil
}
