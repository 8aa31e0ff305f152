package agent

import (
	"testing"
	"time"
)

// TestAgenda checks when tasks are due: those that use the configuration wait while it is
// edited, and the loop does not wake for them.
func TestAgenda(t *testing.T) {
	var a agenda
	if at := a.next(aMoment); !at.Equal(aMoment.Add(tick)) || a.due(applyTask, aMoment) {
		t.Errorf("with nothing to do the next look is at %v", at)
	}
	a.set(applyTask, aMoment.Add(time.Second))
	a.sooner(applyTask, aMoment.Add(2*time.Second)) // which is later
	a.sooner(hostTask, aMoment.Add(3*time.Second))
	if at := a.next(aMoment); !at.Equal(aMoment.Add(time.Second)) {
		t.Errorf("the next look is at %v", at)
	}
	if a.due(applyTask, aMoment) || !a.due(applyTask, aMoment.Add(time.Second)) || a.due(bansTask, aMoment.Add(time.Hour)) {
		t.Error("what is due is not what was planned")
	}

	a.set(reloadTask, aMoment.Add(4*time.Second))
	if at := a.next(aMoment); !at.Equal(aMoment.Add(3 * time.Second)) {
		t.Errorf("while the configuration is edited the next look is at %v", at)
	}
	for task := range tasks {
		a.set(task, aMoment)
		byConfig := task == applyTask || task == glanceTask || task == studyTask || task == rulesTask || task == bansTask
		if a.waits(task) != byConfig {
			t.Errorf("task %d waits for an edit: %v", task, a.waits(task))
		}
		if toDo[task] == nil {
			t.Errorf("nobody does task %d", task)
		}
	}
	a.drop(reloadTask)
	if a.editing() || a.waits(applyTask) {
		t.Error("after the edit something waits")
	}
}
