package agent

import "time"

// agenda says when each task of the loop is due. A task that is not planned has the zero time.
type agenda [tasks]time.Time

// set plans a task for a time, and replaces an earlier plan.
func (a *agenda) set(t task, at time.Time) { a[t] = at }

// sooner plans a task for a time, unless it is planned earlier already.
func (a *agenda) sooner(t task, at time.Time) {
	if a[t].IsZero() || at.Before(a[t]) {
		a[t] = at
	}
}

// drop removes a task from the plan.
func (a *agenda) drop(t task) { a[t] = time.Time{} }

// planned reports whether a task is planned.
func (a *agenda) planned(t task) bool { return !a[t].IsZero() }

// due reports whether a task is due at now.
func (a *agenda) due(t task, now time.Time) bool { return a.planned(t) && !now.Before(a[t]) }

// editing reports whether the configuration is being edited. The admin may apply the new one in
// the next moment, and a task that uses the old one would undo that.
func (a *agenda) editing() bool { return a.planned(reloadTask) }

// afterEdit are the tasks that use the configuration, and so wait while it is being edited.
var afterEdit = [tasks]bool{applyTask: true, glanceTask: true, studyTask: true, rulesTask: true, bansTask: true}

// withOthers are the tasks for which the loop does not wake up: what is due then is done with the
// next quick check.
var withOthers = [tasks]bool{studyTask: true}

// waits reports whether a task must wait until the configuration has been edited.
func (a *agenda) waits(t task) bool { return afterEdit[t] && a.editing() }

// beat is when the regular checks are next due together, after now.
func (a *agenda) beat(now time.Time) time.Time {
	if at := a[glanceTask]; at.After(now) {
		return at
	}
	return now.Add(tick)
}

// next is when the loop wakes up: when the first task is due that does not have to wait, and for
// the next beat at the latest.
func (a *agenda) next(now time.Time) time.Time {
	wake := a.beat(now)
	for t, at := range a {
		if a.planned(task(t)) && !a.waits(task(t)) && !withOthers[t] && at.Before(wake) {
			wake = at
		}
	}
	return wake
}
