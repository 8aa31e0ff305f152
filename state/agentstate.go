package state

import (
	"maps"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/problem"
)

// AgentStatus is what only the agent knows. Its JSON form is part of status --json.
type AgentStatus struct {
	PID          int              `json:"pid"`
	Version      string           `json:"version"`
	Since        time.Time        `json:"since"`
	ConfigFile   string           `json:"config_file"`
	ConfigLoaded time.Time        `json:"config_loaded"`
	ConfigError  *problem.Problem `json:"config_error,omitempty"` // why the last reload was refused

	// RefusedWithoutBase is that the refused file has no base rules any more.
	RefusedWithoutBase bool `json:"refused_without_base,omitempty"`

	Applied    time.Time        `json:"applied,omitzero"`      // when the kernel was last made to hold the lists
	ApplyError *problem.Problem `json:"apply_error,omitempty"` // why it could not be since
	Steps      []StepTime       `json:"steps"`                 // of the last time
	Applies    Applies          `json:"applies"`

	Next          map[string]time.Time      `json:"next"`           // when each feed from the network is due
	Fetching      bool                      `json:"fetching"`       // some are being fetched now
	FetchSeconds  map[string]float64        `json:"fetch_seconds"`  // how long the last fetch of each took
	FetchingFeeds []string                  `json:"fetching_feeds"` // these
	Rejected      map[string]map[string]int `json:"rejected"`       // lines that gave nothing, by feed and reason
	Unkept        map[string]bool           `json:"unkept"`         // feeds of whose last list no copy could be kept

	// StateFolder is why the agent can write nothing into the state folder.
	StateFolder *problem.Problem `json:"state_folder,omitempty"`

	// NoMounts is that systemd has started it without the options of its unit that mount,
	// since nothing may be mounted on this host.
	NoMounts bool `json:"no_mounts,omitempty"`

	Repairs Repairs   `json:"repairs"`
	Drops   *DropRate `json:"drops,omitempty"`
}

// Applies counts how often the kernel was made to hold the lists.
type Applies struct {
	Written   int `json:"written"`
	Unchanged int `json:"unchanged"` // it held them already
	Failed    int `json:"failed"`
}

// Repairs are changes of others to what is ours that were undone.
type Repairs struct {
	Rules int      `json:"rules"`
	Sets  int      `json:"sets"`
	Last  []Repair `json:"last"` // the newest first
}

// Repair is one of them.
type Repair struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"`  // RepairRules or RepairSets
	Found []string  `json:"found"` // in words
}

// The values of Repair.What.
const (
	RepairRules = "rules"
	RepairSets  = "sets"
)

// DropRate is how fast the entries of the sets count.
type DropRate struct {
	PerSecond float64 `json:"packets_per_second"`
	Seconds   float64 `json:"seconds"` // the time that it is an average of
}

// keptRepairs is how many repairs are told about.
const keptRepairs = 10

// Repaired notes a repair.
func (a *AgentStatus) Repaired(r Repair) {
	if r.What == RepairRules {
		a.Repairs.Rules++
	} else {
		a.Repairs.Sets++
	}
	last := slices.Insert(slices.Clone(a.Repairs.Last), 0, r)
	a.Repairs.Last = last[:min(len(last), keptRepairs)]
}

// UnkeptFeeds are the names of the feeds of which no copy could be kept.
func (s *AgentStatus) UnkeptFeeds() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Unkept)) {
		if s.Unkept[name] {
			names = append(names, name)
		}
	}
	return names
}

// UnkeptRemedy is what to do about them.
func UnkeptRemedy() string { return fetch.ReasonStorage.Remedy() }

// Refuses reports whether there is an agent that does not take its file over, since that takes
// too much away.
func (a *AgentStatus) Refuses() bool {
	return a != nil && a.ConfigError != nil && a.ConfigError.Remedy == LessRemedy
}
