package page

import "math"

// fleetFigure is a row of the page about the fleet: one figure of one benchmark.
type fleetFigure struct {
	what       string
	step, unit string  // where it is measured, as the benchmark calls it
	most       float64 // to be reached; 0: nothing is
	in         string  // unit on the page
}

// fleetFigures are those of the page, in order.
var fleetFigures = []fleetFigure{
	{"a ban on one of 1,000 hosts is known to half of them", "Hosts/1000", "ms-p50", 0, "ms"},
	{"a ban on one of 1,000 hosts is known to 99 %", "Hosts/1000", "ms-p99", 250, "ms"},
	{"a ban on one of 1,000 hosts is known to all", "Hosts/1000", "ms-max", 0, "ms"},
	{"one bans each second: a ban on one of 1,000 hosts is known to half of them", "Hosts/1000", "ms-slow-p50", 0, "ms"},
	{"one bans each second: a ban on one of 1,000 hosts is known to 99 %", "Hosts/1000", "ms-slow-p99", 250, "ms"},
	{"the hub's processor time for each ban to each of 1,000 hosts", "Hosts/1000", "µs-hub", 0, "µs"},
	{"the processor time of a host for that", "Hosts/1000", "µs-hosts", 0, "µs"},
	{"memory of a hub with 1,000 hosts", "Hosts/1000", "MB-hub-most", 250, "MB"},
	{"hub with 1,000 hosts killed and back: the next ban is known to all after", "Hosts/1000", "s-killed", 5, "s"},
	{"the same, with its store lost", "Hosts/1000", "s-lost", 5, "s"},
	{"a minute without the hub for 1,000 hosts: all are even after", "Partition", "s-even", 5, "s"},
	{"a ban on one of 5,000 hosts is known to half of them", "Hosts/5000", "ms-p50", 0, "ms"},
	{"a ban on one of 5,000 hosts is known to 99 %", "Hosts/5000", "ms-p99", 0, "ms"},
	{"memory of a hub with 5,000 hosts", "Hosts/5000", "MB-hub-most", 700, "MB"},
	{"hub with 5,000 hosts killed and back: the next ban is known to all after", "Hosts/5000", "s-killed", 0, "s"},
	{"the same, with its store lost", "Hosts/5000", "s-lost", 0, "s"},
	{"a ban on one of 10,000 hosts behind two relays is known to half of them", "Relays", "ms-p50", 0, "ms"},
	{"a ban on one of 10,000 hosts behind two relays is known to 99 %", "Relays", "ms-p99", 0, "ms"},
	{"memory of a hub with two relays of 5,000 hosts each", "Relays", "MB-hub-most", 0, "MB"},
	{"memory of a relay of 5,000 hosts", "Relays", "MB-relay-most", 0, "MB"},
	{"a new host reads 100,000 bans, and judges them", "Newcomer", "s-read", 1, "s"},
	{"the process of a new host starts, and has read 100,000 bans", "FleetNewcomer", "s-read", 0, "s"},
	{"the same, and the 20,000 that count are in its kernel", "FleetNewcomer", "s-kernel", 0, "s"},
	{"memory of `voipbl fleet run` with few bans", "FleetNewcomer", "MB-process-before", 0, "MB"},
	{"memory of `voipbl fleet run` with 100,000 bans", "FleetNewcomer", "MB-process-most", 20, "MB"},
	{"memory of that process alone, without the program's file", "FleetNewcomer", "MB-process-own", 0, "MB"},
	{"memory of the agent without bans", "FleetNewcomer", "MB-agent-before", 0, "MB"},
	{"the same, without the program's file", "FleetNewcomer", "MB-agent-own-before", 0, "MB"},
	{"memory of the agent with 20,000 bans of the fleet", "FleetNewcomer", "MB-agent", 24, "MB"},
	{"the same, without the program's file", "FleetNewcomer", "MB-agent-own", 0, "MB"},
	{"`voipbl ban` on one host is in the kernels of two others, median", "FleetBan", "s-p50", 0.3, "s"},
	{"`voipbl ban` on one host is in the kernels of two others, longest", "FleetBan", "s-max", 1, "s"},
}

// fleetFigure returns what was measured. NaN if it was not.
func (r Results) fleetFigure(f fleetFigure) float64 {
	for _, s := range r.Fleet {
		if value, ok := s.Own[f.unit]; ok && s.Name == f.step {
			return value
		}
	}
	return math.NaN()
}

// fleetGoals are the figures of the fleet to reach. A run from before the fleet was measured has none.
func (r Results) fleetGoals() (all []goal) {
	for _, f := range fleetFigures {
		if r.Fleet != nil && f.most > 0 {
			all = append(all, goal{what: f.what, most: f.most, unit: f.in, figure: r.fleetFigure(f)})
		}
	}
	return all
}

// fleetTable is about the fleet.
func (r Results) fleetTable() string {
	t := table{head: []string{"what", "here"}}
	for _, f := range fleetFigures {
		if value := r.fleetFigure(f); !math.IsNaN(value) {
			t.add(f.what, unit(number(value), f.in))
		}
	}
	return t.String()
}
