package agent

import (
	"slices"
	"testing"
	"time"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/internal/testvalue"
)

func TestFetchOncePerTick(t *testing.T) {
	for _, c := range []struct {
		schedule string
		times    func(config.Feed) feeds.Times
		want     []time.Duration
	}{
		{"0 */4 * * *", noSplay, every(4*hour, 0, 44*hour)},
		{"0 */4 * * *", late, append([]time.Duration{0}, every(4*hour, 15*min1-time.Second, 44*hour+15*min1-time.Second)...)},
		{"30 6,7 * * *", noSplay, []time.Duration{0, 6*hour + 30*min1, 7*hour + 30*min1, 30*hour + 30*min1, 31*hour + 30*min1}},
		{"@every 90m", late, every(90*min1, 0, 47*hour)},
	} {
		t.Run(c.schedule, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := newSources(t)
				_, end := s.start(urls(t, "a "+c.schedule), c.times)
				s.passTo(48*hour - time.Second)
				end()
				s.want("a", c.want...)
			})
		})
	}
}

// TestFetchAfterARestart: the agent does not fetch again what was fetched before it started. It
// fetches once what became due while it did not run.
func TestFetchAfterARestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.kept["a"] = attempts{last: s.begin.Add(-hour)}
		s.kept["b"] = attempts{last: s.begin.Add(-100 * hour)}
		s.kept["c"] = attempts{last: s.begin.Add(-10 * min1), failures: 6, reason: fetch.ReasonStatus}
		_, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c 0 */4 * * *"), noSplay)
		s.passTo(9 * hour)
		end()
		// Feed a is due at midnight, which is now.
		s.want("a", 0, 4*hour, 8*hour)
		s.want("b", 0, 4*hour, 8*hour)
		s.want("c", 0, 4*hour, 8*hour)
	})
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.kept["a"] = attempts{last: s.begin}
		s.kept["b"] = attempts{last: s.begin.Add(5 * 24 * hour)} // by a clock that was wrong
		s.kept["c"] = attempts{last: s.begin.Add(-10 * min1), failures: 6, reason: fetch.ReasonStatus}
		_, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c 0 1-23/4 * * *"), noSplay)
		s.passTo(6 * hour)
		end()
		s.want("a", 4*hour)
		s.want("b", 0, 4*hour)
		s.want("c", 20*min1, hour, 5*hour)
	})
}

func TestFetchAgainAfterFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"] = fetch.ReasonUnreachable
		s.broken["held"] = feeds.ReasonShrank
		s.broken["later"] = fetch.ReasonRetryLater
		_, end := s.start(urls(t, "a 0 */4 * * *", "held 0 */4 * * *", "later 0 */4 * * *"), noSplay)
		s.passTo(5*hour - time.Second)
		s.want("a", 0, min1, 3*min1, 7*min1, 15*min1, 31*min1, 61*min1, 91*min1, 121*min1, 151*min1, 181*min1, 211*min1,
			4*hour, 4*hour+30*min1) // the tick comes a minute before the pause is over
		s.set(func() { s.broken = nil })
		s.passTo(13 * hour)
		s.want("a", 5*hour, 8*hour, 12*hour)
		end()
		s.want("held", 0, 4*hour, 8*hour, 12*hour)
		s.want("later", 0, 4*hour, 8*hour, 12*hour)
	})
}

func TestFeedsOfOneScheduleAreOneRound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		_, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c @every 5h"), late)
		s.passTo(9 * hour)
		end()
		const delay = 15*min1 - time.Second
		want := []seenRound{{0, "a b c", false}, {delay, "a b", false}, {4*hour + delay, "a b", false}, {5 * hour, "c", false}, {8*hour + delay, "a b", false}}
		if !slices.Equal(s.rounds, want) {
			t.Errorf("rounds %v, want %v", s.rounds, want)
		}
	})
}

func TestFetchThatHangsDelaysNoOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.slow["b"] = time.Minute
		f, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c 0 */4 * * *"), noSplay)
		s.passTo(59 * time.Second)
		s.want("a", 0)
		s.want("c", 0)
		s.want("b")
		next, busy := f.plans()
		if !busy.Equal(s.begin) || len(next) != 3 {
			t.Errorf("under way since %v, with %v", busy, next)
		}
		s.passTo(2 * min1)
		s.want("b", min1)
		if _, busy := f.plans(); !busy.IsZero() {
			t.Errorf("still under way since %v", busy)
		}
		s.passTo(4*hour + 2*min1)
		end()
		s.want("a", 4*hour)
		s.want("b", 4*hour+min1)
	})
}

// TestFetchLongerThanItsSchedule: what comes due during a round is done after it.
func TestFetchLongerThanItsSchedule(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.slow["slow"] = 150 * time.Second
		_, end := s.start(urls(t, "slow 0 * * * *", "a * * * * *"), noSplay)
		s.passTo(5 * min1)
		end()
		s.want("slow", 150*time.Second)
		s.want("a", 0, 150*time.Second, 3*min1, 4*min1, 5*min1)
	})
}

func TestFetchWithAnotherConfiguration(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.kept["back"] = attempts{last: s.begin} // it was in an older configuration
		f, end := s.start(urls(t, "a 0 */4 * * *", "b 0 */4 * * *", "c 0 */4 * * *"), noSplay)
		s.passTo(hour)
		f.replaced <- urls(t, "b @every 90m", "c 0 */4 * * *", "d 0 */4 * * *", "back 0 */4 * * *")
		s.passTo(9 * hour)
		next, _ := f.plans()
		end()
		s.want("a", 0)
		s.want("b", 0, 90*min1, 180*min1, 270*min1, 360*min1, 450*min1, 540*min1)
		s.want("c", 0, 4*hour, 8*hour)
		s.want("d", hour, 4*hour, 8*hour)
		s.want("back", 4*hour, 8*hour)
		if _, there := next["a"]; there || !next["c"].Equal(s.begin.Add(12*hour)) {
			t.Errorf("plans %v", next)
		}
	})
}

// TestFetchWithAnotherConfigurationDuringARound: the results of the round belong to the old
// configuration, except for what is in the state folder.
func TestFetchWithAnotherConfigurationDuringARound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.slow["slow"] = 10 * min1
		f, end := s.start(urls(t, "slow 0 */4 * * *", "a 0 */4 * * *"), noSplay)
		s.passTo(5 * min1)
		f.replaced <- urls(t, "slow 0 */2 * * *", "new 0 */4 * * *")
		s.passTo(9 * min1)
		s.want("new")
		s.passTo(5 * hour)
		end()
		s.want("a", 0)
		s.want("new", 10*min1, 4*hour) // the first when the slow one was through
		s.want("slow", 10*min1, 2*hour+10*min1, 4*hour+10*min1)
	})
}

func TestFetchInAnotherNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"] = fetch.ReasonUnreachable
		s.broken["held"] = feeds.ReasonShrank
		f, end := s.start(urls(t, "a 0 */4 * * *", "good 0 */4 * * *", "held 0 */4 * * *"), noSplay)
		s.passTo(10 * min1)
		s.want("a", 0, min1, 3*min1, 7*min1)
		f.network <- struct{}{}
		s.passTo(10*min1 + 4*time.Second)
		s.want("a", 10*min1)
		// A network that comes and goes does not cause many requests.
		for range 100 {
			f.network <- struct{}{}
		}
		s.passTo(10*min1 + 9*time.Second)
		s.want("a")
		s.passTo(11 * min1)
		s.want("a", 10*min1+10*time.Second)
		s.set(func() { s.broken["a"] = "" })
		f.network <- struct{}{}
		s.passTo(3 * hour)
		f.network <- struct{}{}
		s.passTo(3*hour + min1)
		end()
		s.want("a", 11*min1)
		s.want("good", 0)
		s.want("held", 0)
	})
}

// TestFetchInAnotherNetworkAfterTheRound: the network changes during a round that fails because
// there was none.
func TestFetchInAnotherNetworkAfterTheRound(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken["a"], s.slow["a"] = fetch.ReasonUnreachable, 40*time.Second
		f, end := s.start(urls(t, "a 0 */4 * * *"), noSplay)
		s.passTo(20 * time.Second)
		f.network <- struct{}{}
		s.set(func() { s.broken, s.slow = nil, nil })
		s.passTo(hour)
		end()
		s.want("a", 40*time.Second, 40*time.Second)
	})
}

func TestNamesAreResolvedAgain(t *testing.T) {
	const file = "feeds: [{name: f, path: /nowhere}]\n"
	const allow = "allow: [trunk.example.net]\n"
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		f, end := s.start(testvalue.Config(t, file+allow), noSplay)
		s.passTo(48*hour - time.Second)
		s.want("", every(5*min1, 0, 48*hour-time.Second)...)
		s.passTo(48*hour + 2*min1)
		f.network <- struct{}{}
		s.passTo(48*hour + 8*min1)
		s.want("", 48*hour, 48*hour+2*min1, 48*hour+7*min1)
		f.replaced <- testvalue.Config(t, file)
		s.passTo(49 * hour)
		s.want("")
		f.replaced <- testvalue.Config(t, file+"firewall: {trunks: [sip.example.net]}")
		s.passTo(49*hour + 9*min1)
		end()
		s.want("", 49*hour, 49*hour+5*min1)
		s.want("f") // a local file is not the fetcher's
	})
}

// TestUnknownNamesAreResolvedSooner: names are resolved soon after DNS comes up, and less and
// less often while DNS stays down.
func TestUnknownNamesAreResolvedSooner(t *testing.T) {
	const sec = time.Second
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		s.broken[""] = fetch.ReasonUnreachable
		f, end := s.start(testvalue.Config(t, "allow: [trunk.example.net]\nfeeds: [{name: f, path: /nowhere}]\n"), noSplay)
		s.passTo(20*min1 - sec)
		s.want("", 0, 10*sec, 30*sec, 70*sec, 150*sec, 310*sec, 610*sec, 910*sec)
		f.network <- struct{}{}
		s.passTo(20*min1 + 25*sec)
		s.want("", 20*min1-sec, 20*min1+9*sec)
		s.set(func() { s.broken = nil })
		s.passTo(30 * min1)
		end()
		s.want("", 20*min1+29*sec, 25*min1+29*sec)
	})
}

// TestNamesOfSources: the host of a feed's URL is resolved when the feed is fetched.
func TestNamesOfSources(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSources(t)
		_, end := s.start(testvalue.Config(t, "feeds: [{name: a, url: \"https://a.example/\", schedule: \"0 */4 * * *\"}]"), noSplay)
		s.passTo(9 * hour)
		end()
		s.want("", 0, 4*hour, 8*hour)
		s.want("a", 0, 4*hour, 8*hour)
	})
}
