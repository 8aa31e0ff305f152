package config

import "testing"

func TestExtra(t *testing.T) {
	for _, c := range []struct{ configured, entries, want int }{
		{ExtraAuto, 0, 8192}, {ExtraAuto, 32_768, 8192}, {ExtraAuto, 32_772, 8193}, {ExtraAuto, 71_642, 17_910}, {ExtraAuto, 5_000_000, 1_250_000},
		{0, 71_642, 0}, {1, 0, 1}, {20_000, 71_642, 20_000}, {maxExtra, 1, maxExtra},
	} {
		if got := (Shape{ExtraEntries: c.configured}).Extra(c.entries); got != c.want {
			t.Errorf("%d entries with extra_entries %d: %d extra, want %d", c.entries, c.configured, got, c.want)
		}
	}
}
