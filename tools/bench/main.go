// Bench measures voipbl beside what else loads a blocklist, and writes the page with the figures:
//
//	go -C tools run ./bench [-quick] [-lists DIR] [-agent DURATION] [-only PART,...]
//	go -C tools run ./bench -render
//
// It needs root, and works in network and mount namespaces of its own. docs/benchmarks.md says how
// each figure is reached; a run that is quick or not whole writes to dist/bench instead. With -render it
// measures nothing, and writes the page of docs/benchmarks/results.json again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/voipbl/voipbl/tools/bench/page"
	"github.com/voipbl/voipbl/tools/cancel"
)

// options say what is measured.
type options struct {
	quick bool
	lists string        // folder of published lists; "" for lists of the same make-up
	agent time.Duration // for how long agents are measured
	only  []string      // parts; none for all
	again bool          // only write the page again
	work  string        // folder for what is in use
}

// parts are what can be measured, in order.
var parts = []struct {
	name    string
	measure func(*bench, *page.Results) error
}{
	{"sync", (*bench).syncs}, {"start", (*bench).starts}, {"packets", (*bench).packets}, {"agent", (*bench).agents}, {"fleet", (*bench).fleet}, {"steps", (*bench).steps},
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// bench is one run of all benchmarks.
type bench struct {
	options
	ctx     context.Context
	program string // voipbl
	genfeed string
}

func main() {
	o, err := flags(os.Args[1:])
	ctx, stop := cancel.Context()
	defer stop()
	switch {
	case err != nil:
	case o.again:
		err = render()
	case o.work == "":
		err = restart(ctx, os.Args[1:])
	default:
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// flags reads the options. It refuses parts and lists that are not there, since nothing, or something
// else, would be measured.
func flags(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	f.BoolVar(&o.quick, "quick", false, "a look: few runs of short lists, written to dist/bench")
	f.StringVar(&o.lists, "lists", "", "a folder with feeds/"+publishedVoIPBL+" and feeds/"+publishedFirehol+", for the packets")
	f.DurationVar(&o.agent, "agent", 0, "for how long agents are measured (2m; 15s if quick)")
	only := f.String("only", "", "parts to measure, of "+strings.Join(partNames(), ","))
	f.BoolVar(&o.again, "render", false, "write the page of the last run again, after its words have changed")
	f.StringVar(&o.work, "work", "", "for its own use")
	f.Parse(args)
	if *only != "" {
		o.only = strings.Split(*only, ",")
		for _, name := range o.only {
			if !slices.Contains(partNames(), name) {
				return o, fmt.Errorf("%q is no part: choose of %s", name, strings.Join(partNames(), ","))
			}
		}
	}
	if o.lists != "" {
		for _, name := range []string{publishedVoIPBL, publishedFirehol} {
			if _, err := os.Stat(filepath.Join(o.lists, "feeds", name)); err != nil {
				return o, fmt.Errorf("no published lists: %w", err)
			}
		}
	}
	if o.agent == 0 {
		o.agent = agentTime
		if o.quick {
			o.agent = 15 * time.Second
		}
	}
	return o, nil
}

// run measures everything and writes the page.
func run(ctx context.Context, o options) error {
	if err := os.Chdir(".."); err != nil {
		return err
	}
	if err := enter(o.work); err != nil {
		return err
	}
	program, err := filepath.Abs("bin/voipbl")
	if err != nil {
		return err
	}
	b := &bench{options: o, ctx: ctx, program: program, genfeed: filepath.Join(o.work, "genfeed")}
	if err := command("go", "build", "-o", b.genfeed, "./internal/genfeed/genfeed"); err != nil {
		return err
	}
	start := time.Now()
	r := page.Results{Quick: o.quick, Command: o.command(), Date: start.Format("2006-01-02"), Published: o.lists != ""}
	if r.Machine, err = machine(program); err != nil {
		return err
	}
	for _, part := range parts {
		if o.only != nil && !slices.Contains(o.only, part.name) {
			continue
		}
		say("%s", part.name)
		if err := part.measure(b, &r); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	r.Seconds = int(time.Since(start).Seconds())
	return write(r)
}

// command is what a user types for the same.
func (o options) command() string {
	words := []string{"make bench"}
	if o.quick {
		words = append(words, "QUICK=1")
	}
	if o.lists != "" {
		words = append(words, "LISTS=DIR")
	}
	if o.agent != agentTime && !o.quick {
		words = append(words, "AGENT="+o.agent.String())
	}
	if o.only != nil {
		words = append(words, "ONLY="+strings.Join(o.only, ","))
	}
	return strings.Join(words, " ")
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s  "+format+"\n", append([]any{time.Now().Format("15:04:05")}, args...)...)
}
