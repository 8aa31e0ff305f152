package checksum

import "testing"

// TestOf: files that older versions wrote are still read.
func TestOf(t *testing.T) {
	type data struct {
		A int `json:"a"`
	}
	if got := Of(data{1}); got != "015abd7f5cc57a2d" {
		t.Errorf("%s", got)
	}
	if Of(data{1}) == Of(data{2}) {
		t.Error("another digit has the same checksum")
	}
}
