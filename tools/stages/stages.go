package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const module = "github.com/voipbl/voipbl/"

// stage is a part of all tests.
type stage struct {
	name string
	what string
	wrap string   // the script that starts "go test"
	args []string // of "go test"
	most time.Duration
}

// stages are in the order in which they run: the fast and most telling ones first. A package or
// test that is not named below is in the first stage.
var stages = []stage{
	{"unit", "as an ordinary user, with the race detector; what needs the kernel in a user namespace", "testdata/user.sh", []string{"-race"}, 20 * time.Minute},
	{"kernel", "as root: the program, with the real kernel and the tools of a whole host", "testdata/alone.sh", nil, time.Hour},
	{"deb", "as root: the .deb on whole hosts", "testdata/alone.sh", nil, 25 * time.Minute},
}

// packages are those with all tests in another stage than the first: they boot hosts, or start the
// program as its users do.
var packages = map[string]string{
	"cmd/voipbl":            "kernel",
	"internal/friends":      "kernel",
	"internal/siege":        "kernel",
	"internal/testasterisk": "kernel",
	"internal/testfault":    "kernel",
	"internal/testhost":     "kernel",
	"packaging/fail2ban":    "kernel",
	"packaging/deb":         "deb",
}

// forRoot are the tests of other packages that are in the stage "kernel". Except for the last line,
// they call testskip.UnlessRoot: they need other users, larger buffers than a user may have, or a
// real Asterisk, Kamailio or sshd.
var forRoot = []string{
	"TestAsteriskFlowOfChoice", "TestAsteriskNetwork", "TestAsteriskOffice", "TestAsteriskSpellings",
	"TestAddAgainDry", "TestFilesDiffer", "TestFleetGivenCertificate", "TestFleetInitAnotherName", "TestFleetInitTwice", "TestFleetRelay", "TestLeave", "TestOldCopy", "TestReadHub", "TestRelayMoved", "TestVerbsAtServer", "TestWriteFiles", "TestWriteFilesOnFullDisk", "TestWriteFilesOverLinks",
	"TestBelieve", "TestConnectAsterisk", "TestAMIOfAsterisk", "TestHEPOfAsterisk", "TestHEPOfKamailio", "TestHEPOfKamailioAlike",
	"TestIAXAuthDebug", "TestRealAsterisk",
	"TestNamedSSHD", "TestSessionsOfContainers", "TestSessionsOfRealSSHD",
	"TestLegsByPackets", "TestMaybeLoggedIn", "TestOpenStoreOfAnother", "TestPBXSocketGroup", "TestReadWithoutPermission", "TestWithoutRights",
	"TestReadHuge", "TestStepsByKernel",
	"TestDebian13", "TestDebian13Hub", "TestDebian13Relay", "TestPromtoolChecksAlerts", "TestPromtoolReadsQueries", "TestPromtoolTestsAlerts", // apt-get
	"TestOneFetchAFleet", "TestReadLies", "TestSourceAway", "TestThousand", "TestTwentyAgents", // start a program hundreds of times, or run a thousand hosts: slow with the race detector
}

// stageOf returns the stage of a test.
func stageOf(pkg, test string) string {
	if s, ok := packages[pkg]; ok {
		return s
	}
	if slices.Contains(forRoot, test) {
		return "kernel"
	}
	return stages[0].name
}

// group is packages of which one "go test" runs the same selection of tests.
type group struct {
	packages []string
	filter   []string // arguments that choose tests
}

// groups returns the packages of a stage. tests are all existing tests, by package.
func (s stage) groups(tests map[string][]string) []group {
	some := "^(" + strings.Join(forRoot, "|") + ")$"
	rest := group{filter: []string{"-skip", some}}
	named := group{filter: []string{"-run", some}}
	var whole group
	for _, pkg := range sorted(tests) {
		_, of := packages[pkg]
		here := func(test string) bool { return stageOf(pkg, test) == s.name }
		switch {
		case !slices.ContainsFunc(tests[pkg], here):
		case of:
			whole.packages = append(whole.packages, pkg)
		case s.name == stages[0].name:
			rest.packages = append(rest.packages, pkg)
		default:
			named.packages = append(named.packages, pkg)
		}
	}
	return slices.DeleteFunc([]group{rest, named, whole}, func(g group) bool { return len(g.packages) == 0 })
}

// chooses reports whether "go test" runs a test with the group's filter.
func (g group) chooses(test string) bool {
	return g.filter == nil || slices.Contains(forRoot, test) == (g.filter[0] == "-run")
}

// chosen returns the tests that the groups of a stage choose.
func (s stage) chosen(tests map[string][]string) map[string][]string {
	chosen := map[string][]string{}
	for _, g := range s.groups(tests) {
		for _, pkg := range g.packages {
			for _, test := range tests[pkg] {
				if g.chooses(test) {
					chosen[pkg] = append(chosen[pkg], test)
				}
			}
		}
	}
	return chosen
}

// compare returns which tests have not run exactly once.
func compare(tests map[string][]string, ran map[string]int) (wrong []string) {
	ran = maps.Clone(ran)
	for _, pkg := range sorted(tests) {
		for _, test := range tests[pkg] {
			if n := ran[pkg+" "+test]; n != 1 {
				wrong = append(wrong, fmt.Sprintf("%s %s has run %d times", pkg, test, n))
			}
			delete(ran, pkg+" "+test)
		}
	}
	for _, test := range sorted(ran) {
		wrong = append(wrong, test+" has run, and is in no file")
	}
	return wrong
}

// strangers returns the packages and tests named in this file that do not exist.
func strangers(tests map[string][]string) (wrong []string) {
	there := map[string]bool{}
	for pkg, names := range tests {
		there[pkg] = true
		for _, test := range names {
			there[test] = true
		}
	}
	for _, name := range append(sorted(packages), forRoot...) {
		if !there[name] {
			wrong = append(wrong, name+" is in tools/stages/stages.go, and is not there")
		}
	}
	return wrong
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
