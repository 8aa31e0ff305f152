package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/voipbl/voipbl/internal/testskip"
	"github.com/voipbl/voipbl/screen"
)

// manEpoch is half past ten in the evening of 2026-11-24 in UTC, which is another
// day where the sun rises earlier.
const manEpoch = "1795559400"

// writeMan has the generator write all pages, as "make man" does.
func writeMan(t *testing.T, zone string) string {
	t.Helper()
	readSources(t)
	dir := filepath.Join(t.TempDir(), "man")
	cmd := exec.Command("go", "run", "-tags", "man", "-ldflags", "-X main.version=1.2.3", "./cmd/voipbl", dir)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+manEpoch, "TZ="+zone)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// readSources reads the sources of the pages, which are outside this package. go test remembers
// which files were read, and repeats the test when one has changed.
func readSources(t *testing.T) {
	t.Helper()
	sources, err := filepath.Glob("../../internal/manpage/*.go")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	for _, source := range append(sources, "man.go", "main.go", "../../packaging/voipbl.yaml") {
		if _, err := os.ReadFile(source); err != nil {
			t.Fatal(err)
		}
	}
}

// manTool runs a tool of man-db. Without it the test fails for root, who can
// install it, and is skipped for others.
func manTool(t *testing.T, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	testskip.UnlessTool(t, name)
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MANOPT=", "MANPAGER=", "PAGER=")
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &trouble)
	}
	return out.String(), trouble.String()
}

// pagesOf returns the commands that people are shown, by the names of their pages.
func pagesOf(cmd *cobra.Command) map[string]*cobra.Command {
	pages := map[string]*cobra.Command{strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".8": cmd}
	for _, sub := range cmd.Commands() {
		if sub.Hidden || sub.Name() == "help" {
			continue
		}
		for name, c := range pagesOf(sub) {
			pages[name] = c
		}
	}
	return pages
}

// TestMan: each command has a page which every tool reads without a complaint.
func TestMan(t *testing.T) {
	t.Parallel()
	dir := writeMan(t, "Asia/Tokyo")
	a := newApp(new(bytes.Buffer), new(bytes.Buffer))
	pages := pagesOf(a.command())
	pages["voipbl.yaml.5"] = nil
	if len(pages) < 20 {
		t.Fatalf("only %d pages", len(pages))
	}
	var want, got []string
	for name := range pages {
		want = append(want, name)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("-commands +pages:\n%s", diff)
	}
	for name, cmd := range pages {
		t.Run(name, func(t *testing.T) { checkPage(t, dir, name, cmd) })
	}
}

func checkPage(t *testing.T, dir, name string, cmd *cobra.Command) {
	file := filepath.Join(dir, name)
	text, trouble := manTool(t, "man", "--warnings=w", "-E", "UTF-8", "-l", file)
	if trouble != "" {
		t.Errorf("man: %s", trouble)
	}
	for line := range strings.Lines(text) {
		if screen.Width([]byte(line)) > screen.Columns {
			t.Errorf("wider than %d columns: %s", screen.Columns, line)
		}
	}
	page, section := name[:len(name)-2], name[len(name)-1:]
	title := fmt.Sprintf("%s(%s)", strings.ToUpper(page), section)
	if first, _, _ := strings.Cut(text, "\n"); len(strings.Split(first, title)) != 3 || !strings.Contains(first, " voipbl ") {
		t.Errorf("its head is %q", first)
	}
	if foot := text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]; !regexp.MustCompile(`^voipbl 1\.2\.3 +2026-11-24 +` + regexp.QuoteMeta(title)).MatchString(foot) {
		t.Errorf("its foot is %q", foot)
	}
	about := "the configuration of voipbl"
	if cmd != nil {
		about = cmd.Short
		checkSections(t, text, cmd)
	}
	index, trouble := manTool(t, "lexgrog", file)
	if want := fmt.Sprintf("%s: %q\n", file, page+" - "+about); index != want || trouble != "" {
		t.Errorf("lexgrog says %q%s, not %q", index, trouble, want)
	}
	checkReferences(t, dir, page+"("+section+")", text)
}

// checkSections looks for what belongs into the page of each command.
func checkSections(t *testing.T, text string, cmd *cobra.Command) {
	want := []string{"NAME", "SYNOPSIS", "DESCRIPTION"}
	if len(cmd.Commands()) > 0 {
		want = append(want, "COMMANDS")
	}
	want = append(want, "OPTIONS")
	if len(cmd.Commands()) == 0 || !cmd.HasParent() || cmd.Name() == "feeds" {
		want = append(want, "EXIT STATUS") // there is an answer
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^([A-Z][A-Z ]+)$`).FindAllStringSubmatch(text, -1) {
		if m[1] != "ENVIRONMENT" && m[1] != "FILES" {
			got = append(got, m[1])
		}
	}
	if diff := cmp.Diff(append(want, "EXAMPLES", "SEE ALSO"), got); diff != "" {
		t.Errorf("sections: -want +got:\n%s", diff)
	}
	if needsConfig := !slices.Contains([]string{"completion", "version"}, cmd.Name()); needsConfig != strings.Contains(text, "\nFILES\n       /etc/voipbl/voipbl.yaml\n") {
		t.Errorf("names the configuration: %v", !needsConfig)
	}
	_, codes, _ := strings.Cut(cmd.Long, "Exit status: ")
	for _, m := range regexp.MustCompile(`(^|[;,] +)(\d) `).FindAllStringSubmatch(strings.Join(strings.Fields(codes), " "), -1) {
		if !regexp.MustCompile(`(?m)^       ` + m[2] + ` {6}[A-Z]`).MatchString(text) {
			t.Errorf("exit status %s is not in the list", m[2])
		}
	}
	_, options, _ := strings.Cut(text, "\nOPTIONS\n")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if shown := regexp.MustCompile(`(?m)^       (-\w, )?--` + f.Name + `\b`).MatchString(options); shown == f.Hidden {
			t.Errorf("--%s is shown: %v", f.Name, shown)
		}
	})
	if bad := regexp.MustCompile(`(?i)cobra|auto.?generated|\[=|\\[a-z(]`).FindString(text); bad != "" {
		t.Errorf("has %q", bad)
	}
}

// foreign are the pages of others that ours refer to.
var foreign = []string{"fail2ban-client(1)", "systemctl(1)", "systemd(1)", "ipset(8)", "iptables(8)"}

func checkReferences(t *testing.T, dir, itself, text string) {
	_, also, _ := strings.Cut(text, "\nSEE ALSO\n")
	if strings.Contains(also, " "+itself) {
		t.Errorf("refers to itself")
	}
	for _, m := range regexp.MustCompile(`\b([a-z][\w.-]*)\((\d)\)`).FindAllStringSubmatch(text, -1) {
		_, err := os.Stat(filepath.Join(dir, m[1]+"."+m[2]))
		if err != nil && !slices.Contains(foreign, m[0]) {
			t.Errorf("refers to %s", m[0])
		}
	}
	if !regexp.MustCompile(`voipbl(\.yaml)?\(\d\)`).MatchString(also) {
		t.Errorf("refers to none of ours:\n%s", also)
	}
}

// TestManIsReproducible: the same source makes the same pages, anywhere.
func TestManIsReproducible(t *testing.T) {
	if out, err := exec.Command("diff", "-r", writeMan(t, "America/Los_Angeles"), writeMan(t, "Asia/Tokyo")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestManStaysOut: the program that people install has nothing of the generator.
func TestManStaysOut(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if s := string(out); strings.Contains(s, "manpage") || strings.Contains(s, "md2man") || !strings.Contains(s, "voipbl/agent") {
		t.Errorf("it is made of\n%s", s)
	}
}
