package agent

import (
	"context"
	"time"
)

// task is one thing that the loop does when it is due.
type task int

// The tasks, in the order in which they are done if several are due.
const (
	reloadTask  task = iota // the configuration file has changed: load it
	rereadTask              // the configuration file could not be read: try again
	hostTask                // this host's addresses may have changed
	watchTask               // files cannot be watched: try again
	metricsTask             // the address for metrics is taken: try again
	keptTask                // the time to keep entries of a lost copy is over
	allowedTask             // the time of a "voipbl allow" is over
	pathsTask               // read local lists by their schedule
	applyTask               // apply: see applySoon
	glanceTask              // quick check of the sets, and of lists that others have fetched
	studyTask               // full check of the sets
	rulesTask               // check of the rules
	bansTask                // check of the sets of bans
	shoutTask               // log lists that have become stale or frozen
	tasks
)

// toDo is what each task does.
var toDo = [tasks]func(d *daemon, ctx context.Context, now time.Time){
	reloadTask:  (*daemon).reloadChanged,
	rereadTask:  (*daemon).reloadChanged,
	hostTask:    (*daemon).hostChanged,
	watchTask:   (*daemon).watchFiles,
	metricsTask: (*daemon).listenForMetrics,
	keptTask: func(d *daemon, _ context.Context, _ time.Time) {
		d.applySoon("what was kept of a lost copy has had its time", 0)
	},
	allowedTask: func(d *daemon, _ context.Context, _ time.Time) {
		d.applySoon("a host was allowed for a time that is over", 0)
	},
	pathsTask: (*daemon).readPaths,
	applyTask: func(d *daemon, ctx context.Context, _ time.Time) {
		d.apply(ctx, d.applyWhy...) // an error is logged, and the apply is tried again
	},
	glanceTask: func(d *daemon, ctx context.Context, now time.Time) {
		if !d.agenda.due(studyTask, now) { // which sees more
			d.lookAtSets(ctx, false)
		}
		d.lookAtCopies(ctx)
		d.lookAtHeld()
		d.glanced(now)
	},
	studyTask: func(d *daemon, ctx context.Context, now time.Time) {
		d.lookAtSets(ctx, true)
		d.studied(now)
	},
	rulesTask: (*daemon).lookAtRules,
	bansTask:  (*daemon).lookAtBans,
	shoutTask: (*daemon).shout,
}

// work does the tasks that are due.
func (d *daemon) work(ctx context.Context, now time.Time) {
	if d.pathsDue(now) {
		d.agenda.set(pathsTask, now)
	}
	for t := range tasks {
		if d.agenda.due(t, now) && !d.agenda.waits(t) {
			d.agenda.drop(t)
			toDo[t](d, ctx, now)
		}
	}
}
