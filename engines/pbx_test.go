package engines

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePackages(t *testing.T) {
	text := "installed a 1:16.28.0~dfsg-0+deb11u4\ninstalled b 5.8.4-1\nconfig-files c 1\nnot-installed d \ninstalled e 3.4+x-2-1\n"
	if d := cmp.Diff(map[string]string{"a": "16.28.0", "b": "5.8.4", "e": "3.4"}, parsePackages(text)); d != "" {
		t.Error(d)
	}
}
