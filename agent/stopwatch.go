package agent

import "time"

// StepTime is how long one step took.
type StepTime struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// stopwatch times the steps of a report.
type stopwatch struct {
	steps *[]StepTime
	last  time.Time
}

func (w *stopwatch) lap(name string) {
	now := time.Now()
	*w.steps = append(*w.steps, StepTime{name, now.Sub(w.last).Seconds()})
	w.last = now
}
