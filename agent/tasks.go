package agent

import (
	"context"
	"time"

	"github.com/voipbl/voipbl/bans"
)

// task is one thing that the loop does when it is due.
type task int

// They are done in this order, where several are due.
const (
	reloadTask  task = iota // the file has changed: go by it
	rereadTask              // the file could not be read: try again
	hostTask                // this host's addresses may have changed
	watchTask               // files cannot be watched: try again
	metricsTask             // the address for metrics is taken: try again
	keptTask                // what was kept of a lost copy has had its time
	allowedTask             // what was allowed by hand for a time has had it
	pathsTask               // local lists are to be read by their schedule
	applyTask               // something is to be put in force: see applySoon
	glanceTask              // the headers of the sets
	studyTask               // all entries of the sets
	rulesTask               // the rules
	bansTask                // the sets of bans
	shoutTask               // lists that have become stale or frozen
	tasks
)

// toDo says what each task is.
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
		d.apply(ctx, d.applyWhy...) // what goes wrong is logged, and tried again
	},
	glanceTask: func(d *daemon, ctx context.Context, now time.Time) {
		d.lookAtSets(ctx, false)
		d.agenda.set(glanceTask, now.Add(glanceEvery))
	},
	studyTask: func(d *daemon, ctx context.Context, now time.Time) {
		d.lookAtSets(ctx, true)
		d.agenda.set(studyTask, now.Add(min(max(tick, time.Duration(d.entries)*studyPause), bans.MaxStudy)))
	},
	rulesTask: (*daemon).lookAtRules,
	bansTask:  (*daemon).lookAtBans,
	shoutTask: (*daemon).shout,
}

// work does what is due.
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
