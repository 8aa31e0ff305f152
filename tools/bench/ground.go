package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// ground is a folder with a list in all forms that contenders read. Their set is called other.
type ground struct {
	*bench
	dir     string
	header  string // create other …, presized
	entries int
	scripts int // entries that the published script gets
}

// newGround writes the list, and has voipbl make the set of it once, to save that for the others: of the
// list's own entries, since the others know no shapes.
func (b *bench) newGround(dir string, s size) (*ground, error) {
	g := &ground{bench: b, dir: dir, scripts: 1000}
	if b.quick {
		g.scripts = 200
	}
	list, err := b.list(s.lines)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(g.file("list"), list, 0o644); err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{"old": list, "new": changed(list)} {
		if err := cut(g.file(name), text, s.feeds); err != nil {
			return nil, err
		}
	}
	feeds := make([]string, s.feeds)
	for i := range feeds {
		feeds[i] = fmt.Sprintf("{name: f%d, path: %s/now/f%d}", i, dir, i)
	}
	config := fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [%[2]s]\nlimits: {max_bytes: 256MiB, max_entries: 8000000}\n", dir, strings.Join(feeds, ", "))
	for name, text := range map[string]string{
		g.config(""):            config,
		g.file("unshaped.yaml"): config + "shape: {extra_entries: 0}\n",
		g.config(page.WithBase): config + "firewall: {base: true, local_networks: [192.168.1.0/24]}\n",
		g.file("rules"):         "*filter\n-I INPUT -m set --match-set other src -j DROP\nCOMMIT\n",
		g.file("rules6"):        "*filter\n-I INPUT -m set --match-set other6 src -j DROP\nCOMMIT\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if err := g.use("old"); err != nil {
		return nil, err
	}
	if _, err := g.timed(b.program, "--config", g.file("unshaped.yaml"), "sync"); err != nil {
		return nil, err
	}
	if err := g.save(); err != nil {
		return nil, err
	}
	if g.entries == 0 {
		return nil, fmt.Errorf("voipbl has made an empty set of %d lines", s.lines)
	}
	return g, g.remove("")
}

func (g *ground) file(name string) string { return filepath.Join(g.dir, name) }

// config is the name of the configuration with or without base rules.
func (g *ground) config(base string) string {
	if base != "" {
		return g.file("base.yaml")
	}
	return g.file("plain.yaml")
}

// use makes one of the two lists the one that voipbl reads. A link would do, but voipbl looks at who may
// write the files of a feed, and a folder is what people have.
func (g *ground) use(name string) error {
	if err := os.RemoveAll(g.file("now")); err != nil {
		return err
	}
	return os.CopyFS(g.file("now"), os.DirFS(g.file(name)))
}

// remove takes voipbl out.
func (g *ground) remove(base string) error {
	if err := command(g.program, "--config", g.config(base), "remove"); err != nil {
		return err
	}
	return g.clear()
}

var hashsize = regexp.MustCompile(` hashsize \d+`)

// save writes the set that voipbl has made as the files that other tools load.
func (g *ground) save() error {
	cmd := exec.Command("ipset", "save", "voip_bl")
	saved, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	files := map[string]*bufio.Writer{}
	for _, name := range []string{"restore", "default", "nft", "part"} {
		f, err := os.Create(g.file(name))
		if err != nil {
			return err
		}
		defer f.Close()
		files[name] = bufio.NewWriter(f)
	}
	fmt.Fprint(files["nft"], "table inet other {\nset bl { type ipv4_addr; flags interval; elements = {")
	lines := bufio.NewScanner(saved)
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte(" packets 0 bytes 0"))
		line = bytes.Replace(line, []byte(" voip_bl "), []byte(" other "), 1)
		entry, ok := bytes.CutPrefix(line, []byte("add other "))
		if !ok {
			g.header = string(line)
			fmt.Fprintf(files["restore"], "%s\n", line)
			fmt.Fprintf(files["default"], "%s\n", hashsize.ReplaceAll(line, nil))
			continue
		}
		fmt.Fprintf(files["restore"], "%s\n", line)
		fmt.Fprintf(files["default"], "%s\n", line)
		fmt.Fprintf(files["nft"], "%s,", entry)
		if g.entries < g.scripts {
			fmt.Fprintf(files["part"], "%s\n", entry)
		}
		g.entries++
	}
	fmt.Fprint(files["nft"], "} }\nchain c { type filter hook input priority 0; ip saddr @bl drop; }\n}\n")
	for _, w := range files {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return errors.Join(lines.Err(), cmd.Wait())
}
