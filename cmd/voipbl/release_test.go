package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRelease makes a release in a repository that has nothing else, with a make that only
// says that it was there and makes a package. The key, the signature and the tag are real.
func TestRelease(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../packaging/release.sh")
	if err != nil {
		t.Fatal(err)
	}
	const changes = "# Changes\n\n## 1.2.3\n\nPhones stay connected.\n\n### In detail\n\n- much\n\n## 1.2.2\n\nolder\n"
	for _, c := range []struct {
		name, changes, before, sign, want string
		made, tagged                      bool
	}{
		{"dirty", changes, "echo more >>CHANGELOG.md", "yes", "changes that are not committed", false, false},
		{"strange file", changes, "echo >left", "yes", "changes that are not committed", false, false},
		{"no such version", strings.Replace(changes, "1.2.3", "Unreleased", 1), "true", "yes", "CHANGELOG.md does not begin with", false, false},
		{"nothing in short", strings.Replace(changes, "Phones stay connected.", "", 1), "true", "yes", "CHANGELOG.md does not begin with", false, false},
		{"a quick look", changes, "sed -i s/false/true/ docs/benchmarks/results.json && git commit -qam quick", "yes", "docs/benchmarks.md is a quick look", false, false},
		{"released", changes, "git tag v1.2.3", "yes", "v1.2.3 is released already", false, true},
		{"not root", changes, `printf '#!/bin/sh\necho 1000\n' >bin/id`, "yes", "only root can run all tests", false, false},
		{"no key", changes, "git config --unset user.signingkey", "yes", "no key to sign with", false, false},
		{"tests that change files", changes, `printf '#!/bin/sh\necho >made' >bin/make`, "yes", "changes that are not committed", false, false},
		{"tests that fail", changes, `printf '#!/bin/sh\nexit 2' >bin/make`, "yes", "", false, false},
		{"dry", changes, "true", "", "git tag -s", true, false},
		{"signed", changes, "true", "yes", "git push origin v1.2.3", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			sh := func(command string) (string, int) {
				cmd := exec.Command("sh", "-ec", command)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "SIGN="+c.sign, "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"),
					"HOME="+dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
				out, err := cmd.CombinedOutput()
				if err != nil && exitCode(err) < 0 {
					t.Fatal(err)
				}
				return string(out), exitCode(err)
			}
			for name, text := range map[string]string{
				"CHANGELOG.md":                 c.changes,
				"packaging/deb/changelog":      "voipbl (1.2.3-1) unstable; urgency=medium\n",
				"packaging/release.sh":         string(script),
				"docs/benchmarks/results.json": "{\n \"quick\": false\n}\n",
				".gitignore":                   "/bin/\n/dist/\n/key*\n",
			} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(dir, name), text)
			}
			if out, code := sh(`mkdir bin
				printf '#!/bin/sh\ncase $* in "test PACKAGES=./... ANYWAY=") ;; deb) mkdir dist; echo package >dist/a.deb ;; *) exit 2 ;; esac\n' >bin/make
				printf '#!/bin/sh\necho 0\n' >bin/id
				chmod 755 bin/make bin/id
				ssh-keygen -q -t ed25519 -N "" -f key
				git init -q . && git config user.name a && git config user.email a@example.net
				git config gpg.format ssh && git config user.signingkey "$PWD/key.pub"
				echo "a@example.net $(cat key.pub)" >key.allowed && git config gpg.ssh.allowedSignersFile "$PWD/key.allowed"
				git add . && git commit -q -m all
				` + c.before); code != 0 {
				t.Fatal(out)
			}
			out, code := sh("sh packaging/release.sh")
			if (code == 0) != c.made || !strings.Contains(out, c.want) {
				t.Errorf("it ends with %d:\n%s", code, out)
			}
			if _, code := sh("git rev-parse -q --verify refs/tags/v1.2.3"); (code == 0) != c.tagged {
				t.Errorf("there is a tag: %v", code == 0)
			}
			if !c.made {
				return
			}
			if out, code := sh("cd dist && sha256sum -c SHA256SUMS && ! grep -e much -e older NOTES.md && grep Phones NOTES.md"); code != 0 {
				t.Errorf("dist:\n%s", out)
			}
			if out, code := sh("git verify-tag v1.2.3 && git cat-file -p v1.2.3"); c.tagged && (code != 0 || !strings.Contains(out, "Phones stay connected.") || !strings.Contains(out, "a.deb")) {
				t.Errorf("the tag:\n%s", out)
			}
		})
	}
}
