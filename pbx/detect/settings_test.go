package detect

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	many := make([]string, mostTraps+1)
	for i := range many {
		many[i] = "friendly"
	}
	for want, change := range map[string]func(s *Settings){
		"at once: expected 2 to 1000, not 1":     func(s *Settings) { s.AtOnce = 1 },
		"in a day: expected 2 to 1000, not 1001": func(s *Settings) { s.InDay = 1001 },
		"accounts: expected 2 to 1000, not 0":    func(s *Settings) { s.Unknown = 0 },
		"requests: expected 2 to 1000, not 1001": func(s *Settings) { s.Requests = 1001 },
		"expected as many in a day as in an hour or more, and there as at once or more, not 20, 10 and 11": func(s *Settings) { s.AtOnce = 11 },
		"expected as many in a day as in an hour or more, and there as at once or more, not 20, 21 and 3":  func(s *Settings) { s.InHour = 21 },
		"expected a ban time":                                func(s *Settings) { s.BanTimes = nil },
		"ban time 59s: expected 1m0s to 720h0m0s":            func(s *Settings) { s.BanTimes = []time.Duration{59 * time.Second} },
		"ban time 721h0m0s: expected 1m0s to 720h0m0s":       func(s *Settings) { s.BanTimes = []time.Duration{721 * time.Hour} },
		"ban time 1m0s: expected as long as the one before,": func(s *Settings) { s.BanTimes = []time.Duration{time.Hour, time.Minute} },
		"forget -1ns: expected 0 to 720h0m0s":                func(s *Settings) { s.Forget = -1 },
		"forget 721h0m0s: expected 0 to 720h0m0s":            func(s *Settings) { s.Forget = 721 * time.Hour },
		"ban time 25h0m0s of what is not proved":             func(s *Settings) { s.UnprovedFor = 25 * time.Hour },
		"ban time 59s of what is not proved":                 func(s *Settings) { s.UnprovedFor = 59 * time.Second },
		"expected 0 to 1000, not -1":                         func(s *Settings) { s.UnprovedMax = -1 },
		"expected 0 to 1000, not 1001":                       func(s *Settings) { s.UnprovedMax = 1001 },
		`trap "": expected 1 to 64 bytes`:                    func(s *Settings) { s.Traps.Accounts = []string{""} },
		`trap "a?b": expected 1 to 64 bytes`:                 func(s *Settings) { s.Traps.Extensions = []string{"a\nb"} },
		`trap "abc": expected at least 4 letters`:            func(s *Settings) { s.Traps.Agents = []string{"abc"} },
		"expected 2000 traps at most, not 2001":              func(s *Settings) { s.Traps.Agents = many },
	} {
		s := Defaults()
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, change := range []func(s *Settings){
		func(s *Settings) { s.AtOnce, s.InHour, s.InDay, s.Unknown, s.Requests = 2, 2, 2, 2, 2 },
		func(s *Settings) { s.AtOnce, s.InHour, s.InDay, s.Unknown, s.Requests = 1000, 1000, 1000, 1000, 1000 },
		func(s *Settings) { s.BanTimes = []time.Duration{time.Minute, time.Minute, 720 * time.Hour} },
		func(s *Settings) { s.Forget, s.UnprovedMax, s.UnprovedFor = 0, 0, time.Minute },
		func(s *Settings) { s.Forget, s.UnprovedMax, s.UnprovedFor = 720*time.Hour, 1000, 24*time.Hour },
		func(s *Settings) { s.Traps.Agents = many[1:]; s.Traps.Agents[0] = "four" },
	} {
		s := Defaults()
		change(&s)
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
}
