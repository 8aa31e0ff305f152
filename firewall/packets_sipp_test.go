package firewall_test

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// scenario is what sipp sends in each call: one request, without waiting for an answer. The words in
// brackets are sipp's own, or its argument. It is the REGISTER that scanners send. The test replaces METHOD,
// since sipp has no option for it.
const scenario = `<?xml version="1.0"?><scenario name="one request"><send><![CDATA[
METHOD sip:100@[remote_ip] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:100@[remote_ip]>;tag=[call_number]
To: <sip:100@[remote_ip]>
Call-ID: [call_id]
CSeq: [call_number] METHOD
Contact: sip:100@[local_ip]:[local_port]
Max-Forwards: 10
User-Agent: [agent]
Content-Length: 0

]]></send></scenario>`

// sipp is a run of sipp, which sends perSecond requests a second, calls in all.
type sipp struct {
	request, agent   string
	calls, perSecond int
	port             uint16 // of the PBX host

	cmd  *exec.Cmd
	said bytes.Buffer
}

// start starts it on the caller's host. It ends by itself.
func (s *sipp) start(l *lab, c caller) {
	l.t.Helper()
	l.udpServer(s.port)
	dir := l.t.TempDir()
	file := filepath.Join(dir, "scenario.xml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(scenario, "METHOD", s.request)), 0o600); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	l.t.Cleanup(cancel)
	s.cmd = exec.CommandContext(ctx, "sipp", "-sf", file, "-nostdin",
		"-i", c.addr.String(), "-m", strconv.Itoa(s.calls), "-r", strconv.Itoa(s.perSecond),
		"-key", "agent", s.agent,
		netip.AddrPortFrom(l.pbx(), s.port).String())
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, &s.said, &s.said
	var err error
	c.host.Do(func() { err = s.cmd.Start() })
	if err != nil {
		l.t.Fatalf("sipp, of Debian's sip-tester: %v", err)
	}
}

// wait waits until all is sent.
func (s *sipp) wait(l *lab) {
	l.t.Helper()
	if err := s.cmd.Wait(); err != nil {
		l.t.Fatalf("sipp: %v\n%s", err, s.said.Bytes())
	}
}

// calls returns the numbers of the calls that a caller's packets belong to.
func (l *lab) calls(packets []datagram, c caller) []int {
	l.t.Helper()
	var numbers []int
	for _, d := range packets {
		if d.from.Addr() != c.addr {
			continue
		}
		_, rest, found := strings.Cut(d.text, "CSeq: ")
		number, _, _ := strings.Cut(rest, " ")
		if !found {
			l.t.Fatalf("not of sipp: %q", d.text)
		}
		numbers = append(numbers, l.number(number))
	}
	return numbers
}

// upTo returns the numbers from 1 to n.
func upTo(n int) []int {
	var numbers []int
	for i := range n {
		numbers = append(numbers, i+1)
	}
	return numbers
}
