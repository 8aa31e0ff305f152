package advise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/voipbl/voipbl/config"
)

// WithFeed returns the text of a configuration that also has a feed, which item describes as an item
// of "feeds" without indentation. If it cannot change the text safely, the error says what to add by
// hand.
func WithFeed(text []byte, feed config.Feed, item, why string) ([]byte, config.Config, error) {
	cfg, err := config.Parse("", text)
	if err != nil {
		return nil, cfg, err
	}
	for _, f := range cfg.Feeds {
		if f.Name == feed.Name {
			return text, cfg, nil
		}
	}
	p := &proposer{text: string(text), cfg: cfg, def: config.Default()}
	p.set("feeds", feed.Name, why, func(c *config.Config) { c.Feeds = append(slices.Clone(c.Feeds), feed) },
		func(text string) (string, bool) { return addItem(text, item, why) },
		func(text string) (string, bool) { return newFeeds(text, p.def, item, why) })
	if p.out.Choices[0].State == ByHand {
		return nil, cfg, fmt.Errorf("add it to \"feeds\" by hand, since this text cannot be changed safely:\n%s", strings.TrimRight(item, "\n"))
	}
	return []byte(p.text), p.cfg, nil
}

// addItem adds an item of several lines at the end of the list of feeds.
func addItem(text, item, why string) (string, bool) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	at := find(lines, 0, "feeds")
	if at < 0 || !isParent().MatchString(lines[at]) {
		return text, false
	}
	first := at + 1
	end := first + blockEnd(lines[first:], 0)
	pad := ""
	for _, l := range lines[first:end] {
		if strings.HasPrefix(strings.TrimSpace(l), "- ") {
			pad = strings.Repeat(" ", indentOf(l))
			break
		}
	}
	added := []string{"", pad + setupMark + why}
	for l := range strings.Lines(item) {
		added = append(added, pad+strings.TrimRight(l, "\n"))
	}
	return strings.Join(splice(lines, end, end, added...), "\n") + "\n", true
}

// newFeeds adds the list of feeds to a text that has none: those that count without it, and the item.
func newFeeds(text string, def config.Config, item, why string) (string, bool) {
	if find(strings.Split(text, "\n"), 0, "feeds") >= 0 {
		return text, false
	}
	_, feeds, _ := strings.Cut(string(def.YAML()), "\nfeeds:\n")
	lines := strings.SplitAfter(feeds, "\n")
	feeds = strings.Join(lines[:blockEnd(lines, 0)], "")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return addItem(text+"feeds:\n"+feeds, item, why)
}
