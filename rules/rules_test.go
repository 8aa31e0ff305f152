package rules

import (
	"testing"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testvalue"
	"github.com/voipbl/voipbl/settings"
)

// TestBaseKey: any change to the base rules in the configuration has to be confirmed again, and
// no other change.
func TestBaseKey(t *testing.T) {
	const base = "firewall: {base: true, local_networks: [10.0.0.0/8], trunks: [a.example]"
	keys := make(map[string]string)
	for _, yaml := range []string{
		base + "}",
		base + ", rtp: \"10000:20001\"}",
		base + ", sip: {public: false}}",
		base + ", sip: {ports: 5060}}",
		base + ", services: []}",
		"firewall: {base: true, local_networks: [10.0.0.0/8], trunks: [b.example]}",
		"firewall: {base: true, local_networks: [10.0.0.0/9], trunks: [a.example]}",
	} {
		key := settings.BaseKey(testvalue.Config(t, yaml))
		if other, twice := keys[key]; twice || key == "" {
			t.Errorf("%s has the key %q of %s", yaml, key, other)
		}
		keys[key] = yaml
	}
	first := settings.BaseKey(testvalue.Config(t, base+"}"))
	if again := settings.BaseKey(testvalue.Config(t, base+", drop_at: prerouting, log_drops: log}")); again != first {
		t.Error("the drop is confirmed with the base rules")
	}
	if none := settings.BaseKey(config.Default()); none != "" {
		t.Errorf("no base rules have the key %q", none)
	}
}
