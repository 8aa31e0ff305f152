package feeds

import (
	"strings"
	"testing"

	"github.com/voipbl/voipbl/config"
)

// TestPresets: each preset is a feed that a configuration may have, by https and with a lower limit of
// its own, and its text is what it says.
func TestPresets(t *testing.T) {
	var text strings.Builder
	text.WriteString("feeds:\n")
	seen := make(map[string]bool)
	for _, p := range Presets() {
		f := p.Feed()
		if seen[p.Name] || f.Name != p.Name || f.Insecure || !strings.HasPrefix(string(f.URL), "https://") || f.MinEntries <= 1 || p.About == "" || p.Terms == "" || len(p.About) > 69 || len(p.Terms) > 69 { // 80 columns
			t.Errorf("%+v", p)
		}
		seen[p.Name] = true
		if got, ok := PresetOf(p.Name); !ok || got != p {
			t.Errorf("%s: %+v", p.Name, got)
		}
		text.WriteString(p.Item())
	}
	if cfg, err := config.Parse("", []byte(text.String())); err != nil || len(cfg.Feeds) != len(Presets()) {
		t.Error(err)
	}
	if _, ok := PresetOf("none"); ok {
		t.Error("there is a preset none")
	}
}
