// Package deb_test makes the package, checks it with lintian, and installs, boots, upgrades and
// removes it on whole hosts.
package deb_test

import (
	"bytes"
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/voipbl/voipbl/internal/testskip"
)

// The versions that tests install: the first one, and the one to upgrade to.
const (
	older = "0.9.0-1"
	newer = "0.9.0-2"
)

// The packages are made once for all tests of this process.
var (
	made    sync.Once
	madeIn  string
	madeErr error
)

func TestMain(m *testing.M) {
	code := m.Run()
	if madeIn != "" {
		os.RemoveAll(madeIn)
	}
	os.Exit(code)
}

// packages makes both versions for this machine's processor and returns their folder. The newer one
// is the older one with another number: apt and the scripts do the same, and the program is linked
// only once.
func packages(t *testing.T) string {
	t.Helper()
	made.Do(func() {
		if madeIn, madeErr = os.MkdirTemp("", "voipbl-deb"); madeErr != nil {
			return
		}
		if madeErr = makeDeb(madeIn, older, arch()); madeErr == nil {
			madeErr = renumber(file(madeIn, older, arch()), file(madeIn, newer, arch()))
		}
	})
	if madeErr != nil {
		t.Fatal(madeErr)
	}
	return madeIn
}

// arch returns the machine's architecture, by Debian's and by Go's name.
func arch() string {
	out, err := exec.Command("go", "env", "GOARCH").Output()
	if err != nil {
		return "amd64"
	}
	return strings.TrimSpace(string(out))
}

func file(folder, version, arch string) string {
	return filepath.Join(folder, "voipbl_"+version+"_"+arch+".deb")
}

type buildError struct {
	err error
	out []byte
}

func (e *buildError) Error() string { return "make a package: " + e.err.Error() + "\n" + string(e.out) }

// makeDeb runs what "make deb" runs.
func makeDeb(folder, version string, archs ...string) error {
	cmd := exec.Command("sh", append([]string{"packaging/deb/build.sh"}, archs...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "OUT="+folder, "DEB_VERSION="+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		return &buildError{err, out}
	}
	return nil
}

// renumber makes the newer version from the older one. Its program says that it is the newer one.
func renumber(from, to string) error {
	cmd := exec.Command("sh", "-ec", `folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-deb --raw-extract "$1" "$folder/deb"
sed -i "s/^Version: .*/Version: $3/" "$folder/deb/DEBIAN/control"
LC_ALL=C sed -i "s/$4/$3/g" "$folder/deb/usr/sbin/voipbl"
dpkg-deb -Znone --build --root-owner-group "$folder/deb" "$2" >/dev/null`, "sh", from, to, newer, strings.ReplaceAll(older, ".", `\.`))
	if out, err := cmd.CombinedOutput(); err != nil {
		return &buildError{err, out}
	}
	return nil
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestLintian: Debian's checker finds nothing in the packages for both processors.
func TestLintian(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("lintian"); err != nil {
		testskip.UnlessRoot(t)
		t.Fatal("lintian is missing: install the package lintian")
	}
	folder := t.TempDir()
	if err := makeDeb(folder, older, "amd64", "arm64"); err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", file(folder, older, arch)).CombinedOutput()
		if err != nil || len(bytes.TrimSpace(out)) > 0 {
			t.Errorf("%s: %v\n%s", arch, err, out)
		}
	}
	// Made again, at another time and in another place, it has the same bytes.
	first, err := os.ReadFile(file(folder, older, arch()))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(file(packages(t), older, arch()))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("the same source gives two packages that differ")
	}
}

// TestContents: the package has all that an admin should find in it.
func TestContents(t *testing.T) {
	t.Parallel()
	deb := file(packages(t), older, arch())
	var files []string
	for line := range strings.Lines(output(t, "dpkg-deb", "--contents", deb)) {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[len(fields)-1], ".")
		// The generator's test covers the commands' pages.
		if !strings.HasSuffix(name, "/") && !strings.HasPrefix(name, "/usr/share/man/man8/voipbl-") {
			files = append(files, name)
		}
		if fields[1] != "root/root" || strings.Contains(fields[0][1:], "s") || fields[0][8] == 'w' {
			t.Errorf("owner or rights: %s", line)
		}
	}
	slices.Sort(files)
	want := strings.Fields(`
		/etc/fail2ban/action.d/voipbl-ban.conf
		/etc/fail2ban/action.d/voipbl-common.conf
		/etc/fail2ban/action.d/voipbl-report.conf
		/etc/fail2ban/action.d/voipbl-set.conf
		/etc/fail2ban/action.d/voipbl-ssh.conf
		/etc/fail2ban/filter.d/voipbl-asterisk.conf
		/etc/fail2ban/jail.d/voipbl.conf
		/usr/lib/modprobe.d/voipbl.conf
		/usr/lib/modules-load.d/voipbl.conf
		/usr/lib/systemd/system-generators/voipbl
		/usr/lib/systemd/system/voipbl-fleet.service
		/usr/lib/systemd/system/voipbl-hub.service
		/usr/lib/systemd/system/voipbl-no-mounts.service
		/usr/lib/systemd/system/voipbl-pbx.service
		/usr/lib/systemd/system/voipbl-sets.service
		/usr/lib/systemd/system/voipbl.service
		/usr/lib/sysusers.d/voipbl.conf
		/usr/lib/tmpfiles.d/voipbl.conf
		/usr/sbin/voipbl
		/usr/share/bash-completion/completions/voipbl
		/usr/share/doc/voipbl/README.md
		/usr/share/doc/voipbl/SECURITY.md
		/usr/share/doc/voipbl/changelog.Debian.gz
		/usr/share/doc/voipbl/changelog.gz
		/usr/share/doc/voipbl/copyright
		/usr/share/doc/voipbl/examples/grafana/voipbl.json
		/usr/share/doc/voipbl/examples/prometheus/voipbl-alerts.yml
		/usr/share/doc/voipbl/third-party.gz
		/usr/share/fish/vendor_completions.d/voipbl.fish
		/usr/share/lintian/overrides/voipbl
		/usr/share/man/man5/voipbl.yaml.5.gz
		/usr/share/man/man8/voipbl.8.gz
		/usr/share/voipbl/voipbl.yaml
		/usr/share/zsh/vendor-completions/_voipbl`)
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md", "docs/benchmarks/*.svg"} {
		pages, err := filepath.Glob("../../" + pattern)
		if err != nil || len(pages) == 0 {
			t.Fatal(pages, err)
		}
		for _, page := range pages {
			want = append(want, "/usr/share/doc/voipbl/"+filepath.Dir(pattern)+"/"+filepath.Base(page))
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// fail2ban's files are conffiles. The configuration is not, so no upgrade asks about it.
	conffiles := strings.Fields(output(t, "dpkg-deb", "--info", deb, "conffiles"))
	slices.Sort(conffiles)
	want = slices.DeleteFunc(want, func(file string) bool { return !strings.HasPrefix(file, "/etc/fail2ban/") })
	if diff := cmp.Diff(want, conffiles); diff != "" {
		t.Errorf("conffiles, -want +got:\n%s", diff)
	}
}

// TestInstalledLinks: each link of an installed page leads to an installed file.
func TestInstalledLinks(t *testing.T) {
	root := t.TempDir()
	output(t, "dpkg-deb", "--extract", file(packages(t), older, arch()), root)
	docs := filepath.Join(root, "usr/share/doc/voipbl")
	links := 0
	err := filepath.WalkDir(docs, func(page string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(page) != ".md" {
			return err
		}
		text, err := os.ReadFile(page)
		for _, m := range regexp.MustCompile(`\]\(([^):#\s]+)[)#]`).FindAllSubmatch(text, -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), string(m[1]))); err != nil {
				t.Errorf("%s links to %s, which is not installed", strings.TrimPrefix(page, docs), m[1])
			}
		}
		return err
	})
	if err != nil || links < 50 {
		t.Errorf("%d links: %v", links, err)
	}
}

// TestStatic: the program needs no library of the host.
func TestStatic(t *testing.T) {
	root := t.TempDir()
	output(t, "dpkg-deb", "--extract", file(packages(t), older, arch()), root)
	program, err := elf.Open(filepath.Join(root, "usr/sbin/voipbl"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		t.Errorf("it needs %q: %v", libraries, err)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("it needs a loader of the host")
		}
	}
}

// TestUnitsAreOffLimits: systemd-analyze rates the rights that the units keep at 2.0 of 10 or
// better.
func TestUnitsAreOffLimits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		testskip.UnlessRoot(t)
		t.Fatal("systemd-analyze is missing: install the package systemd")
	}
	for unit, right := range map[string]string{"voipbl.service": "CAP_NET_ADMIN", "voipbl-sets.service": "CAP_NET_ADMIN", "voipbl-pbx.service": "CAP_NET_BIND_SERVICE\n", "voipbl-fleet.service": "\n", "voipbl-hub.service": "\n"} {
		// It fails above the threshold, in tenths.
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", "../systemd/"+unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
		text, err := os.ReadFile("../systemd/" + unit)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("CapabilityBoundingSet="+right)) {
			t.Errorf("%s keeps rights that it does not need", unit)
		}
	}
}
