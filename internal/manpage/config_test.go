package manpage

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/testskip"
)

const commentedFile = "../../packaging/voipbl.yaml"

// configPage returns the commented file, its page, and what man(1) would show on
// an endless line.
func configPage(t *testing.T) (text, page, shown string) {
	t.Helper()
	file, err := os.ReadFile(commentedFile)
	if err != nil {
		t.Fatal(err)
	}
	troff, err := Config(file, blow(), Build{Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	testskip.UnlessTool(t, "groff")
	groff := exec.Command("groff", "-man", "-Tutf8", "-P-cbou", "-rLL=9000n", "-rHY=0")
	groff.Stdin = strings.NewReader(string(troff))
	out, err := groff.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(file), string(troff), plain(string(out))
}

// plain makes one line without what troff may change: kinds of quotes, and quotes
// around what it has made bold.
func plain(s string) string {
	return oneLine(strings.NewReplacer("’", "'", `"`, "").Replace(s))
}

// TestConfigHasEveryKey: each key of the configuration, also of those that are in
// lists, has an entry or stands in the one of its list.
func TestConfigHasEveryKey(t *testing.T) {
	_, page, _ := configPage(t)
	var tree map[string]any
	if err := yaml.Unmarshal(config.Default().YAML(), &tree); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var each func(path string, value any)
	each = func(path string, value any) {
		if list, ok := value.([]any); ok {
			for _, v := range list {
				each(path+"[]", v)
			}
			return
		}
		keys, ok := value.(map[string]any)
		if !ok {
			return
		}
		for key, v := range keys {
			below := strings.TrimPrefix(path+"."+key, ".")
			if _, holds := v.(map[string]any); !holds {
				seen++
				entry := regexp.MustCompile(`(?m)^\.T[PQ]\n\\%\\fB` + regexp.QuoteMeta(below) + `\\fR(: .+)?$`)
				if path == "firewall.services[]" {
					entry = regexp.MustCompile(`(?m)^\\- \{.*\b` + key + `: `)
				}
				if !entry.MatchString(page) {
					t.Errorf("no entry for %s", below)
				}
			}
			each(below, v)
		}
	}
	each("", tree)
	if seen < 80 { // each service counts
		t.Errorf("only %d keys", seen)
	}
}

// TestConfigLosesNothing: every comment of the file and every default is in the
// page, in its words.
func TestConfigLosesNothing(t *testing.T) {
	text, _, shown := configPage(t)
	var comment []string
	comments, values := 0, 0
	for line := range strings.Lines(strings.TrimPrefix(text, "# "+configTitle+"\n")) {
		words := strings.TrimSpace(line)
		if said, ok := strings.CutPrefix(words, "#"); ok {
			comment = append(comment, said)
			continue
		}
		if c := plain(strings.Join(comment, " ")); c != "" {
			comments++
			if !strings.Contains(shown, c) {
				t.Errorf("is not there: %s", c)
			}
		}
		comment = nil
		if key, value, ok := strings.Cut(words, ": "); ok {
			values++
			entry := strings.TrimPrefix(key, "- ") + ": " + plain(value)
			if !strings.Contains(shown, entry) {
				t.Errorf("no default: %s", entry)
			}
		}
	}
	if comments < 25 || values < 40 {
		t.Errorf("only %d comments and %d values", comments, values)
	}
}

// What the page shows as an example is a configuration.
func TestConfigExample(t *testing.T) {
	if _, err := config.Parse("example", []byte(configExample)); err != nil {
		t.Error(err)
	}
}

// TestConfigRefuses: a file of another form is refused rather than cut down.
func TestConfigRefuses(t *testing.T) {
	for _, text := range []string{
		"# about\n\nkey: value\n",
		"# about\nkey: value\n  continued\n",
		"# about\nlist:\n  - element\n",
		"# about\nKey: value\n",
		"# about\nkey: value\n\n# nothing\n",
	} {
		if page, err := Config([]byte(text), blow(), Build{}); err == nil {
			t.Errorf("%q makes\n%s", text, page)
		}
	}
}
