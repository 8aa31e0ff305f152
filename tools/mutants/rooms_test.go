package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRooms: the files and tests of all rooms exist. A name that no longer does is refused.
func TestRooms(t *testing.T) {
	for _, r := range rooms {
		if err := r.check(filepath.Join("../..", r.name)); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
	}
	for _, test := range []struct {
		room room
		want string
	}{
		{room{files: "judgebody|past"}, "no file is called past"},
		{room{tests: "TestJudge.*|TestGrowth"}, "no test is called TestGrowth"},
		{room{slow: "TestJudgeByPastLaw"}, "no test is called TestJudgeByPastLaw"},
	} {
		if err := test.room.check("../../feeds"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %q", err, test.want)
		}
	}
}
