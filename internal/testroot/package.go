package testroot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Package returns a folder with the files of one package of a Debian suite, without those that it
// depends on, and fetches it first if it is not there. It takes seconds, not minutes as a root does. Do
// not write to it.
func Package(suite, name string) (string, error) {
	return kept(suite+"-"+name, func(build string) error {
		mirror, err := aptMirror(suite)
		if err != nil {
			return err
		}
		if mirror == "" {
			mirror = "http://deb.debian.org/debian"
		}
		apt := filepath.Join(build, "apt")
		sources := filepath.Join(apt, "sources.list")
		for _, folder := range []string{"state/lists/partial", "cache/archives/partial"} {
			if err := os.MkdirAll(filepath.Join(apt, folder), 0o700); err != nil {
				return err
			}
		}
		if err := os.WriteFile(sources, fmt.Appendf(nil, "deb %s %s main\n", mirror, suite), 0o600); err != nil {
			return err
		}
		// With folders of its own it does not see what this machine has, and changes nothing of it.
		options := []string{
			"-qq", "-o", "Dir::State=" + filepath.Join(apt, "state"), "-o", "Dir::Cache=" + filepath.Join(apt, "cache"),
			"-o", "Dir::Etc::SourceList=" + sources, "-o", "Dir::Etc::SourceParts=/dev/null",
			"-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none",
		}
		if err := run(apt, "apt-get", append(options, "update")...); err != nil {
			return err
		}
		if err := run(apt, "apt-get", append(options, "download", name)...); err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(apt, "*.deb"))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("apt-get has brought %v: %w", files, err)
		}
		if err := run(apt, "dpkg-deb", "-x", files[0], build); err != nil {
			return err
		}
		return os.RemoveAll(apt)
	})
}

// run runs a program of the machine, which the caller's network namespace does not keep from the network.
func run(folder, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = folder
	var out Console
	cmd.Stdout, cmd.Stderr = &out, &out
	th := NewThread()
	defer th.End()
	if err := th.Do(cmd.Run); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out.Tail())
	}
	return nil
}
