package testpoll

import (
	"bufio"
	"os/exec"
	"testing"
)

// Started starts a program and returns when it has written the line says. end closes the
// program's standard input, which must make it end, and waits for it; the end of the test
// does the same.
func Started(t testing.TB, cmd *exec.Cmd, says string) (end func()) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() {
		in.Close()
		cmd.Wait()
	}
	t.Cleanup(end)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != says+"\n" {
		t.Fatalf("%s: %q, %v", cmd, line, err)
	}
	return end
}
