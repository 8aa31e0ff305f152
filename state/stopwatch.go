package state

import "time"

// StepTime is how long one step took.
type StepTime struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Stopwatch measures the steps of a report.
type Stopwatch struct {
	Steps *[]StepTime
	Last  time.Time
}

func (w *Stopwatch) Lap(name string) {
	now := time.Now()
	*w.Steps = append(*w.Steps, StepTime{name, now.Sub(w.Last).Seconds()})
	w.Last = now
}
