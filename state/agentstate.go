package state

import (
	"maps"
	"slices"
	"time"

	"github.com/voipbl/voipbl/fetch"
	fleetlink "github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/pbx/link"
)

// AgentStatus is what only the agent knows. Its JSON is part of status --json.
type AgentStatus struct {
	PID          int              `json:"pid"`
	Version      string           `json:"version"`
	Since        time.Time        `json:"since"`
	ConfigFile   string           `json:"config_file"`
	ConfigLoaded time.Time        `json:"config_loaded"`
	ConfigError  *problem.Problem `json:"config_error,omitempty"` // why the last reload was refused

	// RefusedWithoutBase is true if the refused file no longer has base rules.
	RefusedWithoutBase bool `json:"refused_without_base,omitempty"`

	Applied    time.Time        `json:"applied,omitzero"`      // when the lists were last applied
	ApplyError *problem.Problem `json:"apply_error,omitempty"` // why a later apply has failed
	Steps      []StepTime       `json:"steps"`                 // of the last apply
	Applies    Applies          `json:"applies"`

	Next          map[string]time.Time      `json:"next"`           // when each feed from the network is due
	Fetching      bool                      `json:"fetching"`       // a fetch is running
	FetchSeconds  map[string]float64        `json:"fetch_seconds"`  // how long the last fetch of each took
	FetchingFeeds []string                  `json:"fetching_feeds"` // the feeds of that fetch
	Rejected      map[string]map[string]int `json:"rejected"`       // refused lines, by feed and reason
	Unkept        map[string]bool           `json:"unkept"`         // feeds whose last list could not be copied to disk

	// StateFolder is why the agent cannot write into the state folder.
	StateFolder *problem.Problem `json:"state_folder,omitempty"`

	// NoMounts is true if systemd has started the agent without the mount options of its
	// unit, because this host allows no mounts.
	NoMounts bool `json:"no_mounts,omitempty"`

	// PBX is what the watcher of the PBX has said of itself last; nil if it never has.
	PBX *link.Reported `json:"pbx,omitempty"`

	// Fleet is what the process that talks with the hub of the fleet has said of itself last; nil if it
	// never has. FleetConnected is when it last said that it is connected and has read all that the hub
	// has, FleetError why it has no credentials.
	Fleet          *fleetlink.Reported `json:"fleet,omitempty"`
	FleetConnected time.Time           `json:"fleet_connected,omitzero"`
	FleetError     *problem.Problem    `json:"fleet_error,omitempty"`

	// DocumentRefused is why the document that the hub of the fleet has does not count here; nil if it does.
	DocumentRefused *problem.Problem `json:"document_refused,omitempty"`

	Repairs Repairs   `json:"repairs"`
	Drops   *DropRate `json:"drops,omitempty"`
}

// Applies counts how often the lists were applied.
type Applies struct {
	Written   int `json:"written"`
	Unchanged int `json:"unchanged"` // the kernel held them already
	Failed    int `json:"failed"`
}

// Repairs are changes by other programs to voipbl's sets and rules that were undone.
type Repairs struct {
	Rules int      `json:"rules"`
	Sets  int      `json:"sets"`
	Last  []Repair `json:"last"` // the newest first
}

// Repair is one undone change.
type Repair struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"`  // RepairRules or RepairSets
	Found []string  `json:"found"` // what was wrong, in words
}

// The values of Repair.What.
const (
	RepairRules = "rules"
	RepairSets  = "sets"
)

// DropRate is how fast the counters of the sets grow.
type DropRate struct {
	PerSecond float64 `json:"packets_per_second"`
	Seconds   float64 `json:"seconds"` // the time over which it is averaged
}

// keptRepairs is how many repairs are remembered.
const keptRepairs = 10

// Repaired records a repair.
func (a *AgentStatus) Repaired(r Repair) {
	if r.What == RepairRules {
		a.Repairs.Rules++
	} else {
		a.Repairs.Sets++
	}
	last := slices.Insert(slices.Clone(a.Repairs.Last), 0, r)
	a.Repairs.Last = last[:min(len(last), keptRepairs)]
}

// UnkeptFeeds returns the names of the feeds whose last list could not be copied to
// disk.
func (s *AgentStatus) UnkeptFeeds() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.Unkept)) {
		if s.Unkept[name] {
			names = append(names, name)
		}
	}
	return names
}

// UnkeptRemedy returns what to do about UnkeptFeeds.
func UnkeptRemedy() string { return fetch.ReasonStorage.Remedy() }

// Refuses reports whether the agent refuses its file because that would protect less.
func (a *AgentStatus) Refuses() bool {
	return a != nil && a.ConfigError != nil && a.ConfigError.Remedy == LessRemedy
}
