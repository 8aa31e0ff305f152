package feeds

import (
	"fmt"
	"strings"

	"github.com/voipbl/voipbl/config"
)

// A Preset is a well-known list, and how it is best fetched.
type Preset struct {
	Name  string `json:"name"`
	About string `json:"about"` // what is in it, in a line
	Terms string `json:"terms"` // what its publisher asks for
	Needs string `json:"needs,omitempty"`
	Text  string `json:"text"` // the feed, as it stands in the configuration
}

// presets are the lists that "voipbl feeds add" knows. Each says where its numbers come from.
var presets = []Preset{
	{
		Name:  "voipbl",
		About: "attackers of PBXs, reported by their admins",
		Terms: "free; renewed every four hours",
		Text: `url: https://voipbl.org/update/
schedule: "0 */4 * * *"
min_entries: 1000`, // of about 100,000
	},
	{
		Name:  "apiban",
		About: "attackers of SIP in the last seven days, seen by honeypots",
		Terms: "free with a key of your own",
		Needs: "a key from https://apiban.org, in /etc/voipbl/apiban.secret (chmod 600)",
		Text: `url: https://apiban.org/api/{secret}/banned/{next:100}
next: ID
format: json
field: ipaddress[]
secret_file: /etc/voipbl/apiban.secret
schedule: "0 * * * *"
min_entries: 10
frozen_after: 72`, // of some hundreds to thousands, 250 a page
	},
	{
		Name:  "spamhaus-drop",
		About: "IPv4 networks in the hands of criminals (Spamhaus DROP)",
		Terms: "free; renewed daily; at most one fetch an hour",
		Text: `url: https://www.spamhaus.org/drop/drop_v4.json
format: json
field: cidr
schedule: "0 5 * * *"
min_entries: 500
max_coverage: 2%`, // of 1,400 to 1,700; they cover 0.4 %
	},
	{
		Name:  "spamhaus-drop6",
		About: "the same for IPv6",
		Terms: "as for spamhaus-drop",
		Text: `url: https://www.spamhaus.org/drop/drop_v6.json
format: json
field: cidr
schedule: "0 5 * * *"
min_entries: 20
frozen_after: 30`, // of about 80, which change rarely
	},
	{
		Name:  "blocklist-de-sip",
		About: "attackers of SIP in the last 48 hours, reported to blocklist.de",
		Terms: "free; renewed every half hour",
		Text: `url: https://lists.blocklist.de/lists/sip.txt
schedule: "0 * * * *"
min_entries: 10
frozen_after: 24`, // of about 100
	},
	{
		Name:  "dshield",
		About: "the twenty networks (/24) that attacked most in three days",
		Terms: "free for non-commercial use; renewed every few hours",
		Text: `url: https://feeds.dshield.org/block.txt
schedule: "0 */4 * * *"
min_entries: 10`,
	},
	{
		Name:  "firehol-level1",
		About: "Spamhaus DROP, DShield and others in one, and unused space",
		Terms: "free, as the lists in it are; renewed every few hours",
		Text: `url: https://raw.githubusercontent.com/firehol/blocklist-ipsets/master/firehol_level1.netset
schedule: "0 */4 * * *"
min_entries: 500
max_coverage: 20%`, // of 2,000 to 5,000; they cover 14 %, nearly all of it unused
	},
}

// Presets returns all presets.
func Presets() []Preset { return presets }

// PresetOf returns the preset of a name.
func PresetOf(name string) (Preset, bool) {
	for _, p := range presets {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

// Item is the preset as an item of feeds in a configuration, without indentation.
func (p Preset) Item() string {
	return "- name: " + p.Name + "\n  " + strings.ReplaceAll(p.Text, "\n", "\n  ") + "\n"
}

// Feed is the preset as a configured feed.
func (p Preset) Feed() config.Feed {
	cfg, err := config.Parse(p.Name, []byte("feeds:\n"+p.Item()))
	if err != nil {
		panic(fmt.Sprintf("preset %s: %v", p.Name, err)) // TestPresets parses all
	}
	return cfg.Feeds[0]
}
