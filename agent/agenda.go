package agent

import "time"

// agenda says when each task of the loop is due. A task that nothing asks for has no time.
type agenda [tasks]time.Time

// set plans a task for a time, whatever was planned before.
func (a *agenda) set(t task, at time.Time) { a[t] = at }

// sooner has a task done at that time at the latest.
func (a *agenda) sooner(t task, at time.Time) {
	if a[t].IsZero() || at.Before(a[t]) {
		a[t] = at
	}
}

// drop takes a task out.
func (a *agenda) drop(t task) { a[t] = time.Time{} }

// planned reports whether a task has a time.
func (a *agenda) planned(t task) bool { return !a[t].IsZero() }

// due reports whether the time of a task has come.
func (a *agenda) due(t task, now time.Time) bool { return a.planned(t) && !now.Before(a[t]) }

// editing reports whether the configuration is being edited. Whoever does so may put it in
// force in the next moment, and to go by the old one then would undo it.
func (a *agenda) editing() bool { return a.planned(reloadTask) }

// afterEdit are the tasks that go by the configuration, and wait while it is being edited.
var afterEdit = [tasks]bool{applyTask: true, glanceTask: true, studyTask: true, rulesTask: true, bansTask: true}

// waits reports whether a task is left until the configuration has been edited.
func (a *agenda) waits(t task) bool { return afterEdit[t] && a.editing() }

// next is when the first task is due that need not wait, or latest.
func (a *agenda) next(latest time.Time) time.Time {
	for t, at := range a {
		if a.planned(task(t)) && !a.waits(task(t)) && at.Before(latest) {
			latest = at
		}
	}
	return latest
}
