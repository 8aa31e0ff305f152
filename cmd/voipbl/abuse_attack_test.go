package main

import (
	"bytes"
	"context"
	"github.com/voipbl/voipbl/internal/exit"
	"net"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// lane is one kind of command, of which one runs at a time.
type lane struct {
	name  string
	every time.Duration // from one start to the next, at least
	next  func() job
	busy  bool
	last  time.Time

	count, failed int
	longest, all  time.Duration
}

// job is a command, and what to do when it has ended.
type job struct {
	args  []string
	codes []int // none of which is a failure
	then  func()
}

type result struct {
	*lane
	job
	out  string
	err  error
	took time.Duration
}

// makeLanes returns the commands that run beside the agent.
func (a *abuse) makeLanes() {
	voipbl := func(args ...string) []string { return append([]string{"voipbl", "--config", a.cfg}, args...) }
	turn := 0
	a.lanes = []*lane{
		{name: "ban and unban", next: a.banOrUnban},
		{name: "ban --for 1s", every: 200 * time.Millisecond, next: func() job {
			a.nextLast++
			return job{args: voipbl("ban", ban(1, a.nextLast).String(), "--for", "1s")}
		}},
		// While rules are flushed the host may well be without protection.
		{name: "status", every: 100 * time.Millisecond, next: func() job {
			return job{args: voipbl("status"), codes: []int{exitNotProtected, exit.Stale}}
		}},
		{name: "check", every: 100 * time.Millisecond, next: func() job {
			return job{args: voipbl("check", a.lists[0].marker(a.lists[0].n).String()), codes: []int{exitNoneBlocked}}
		}},
		{name: "sync", every: time.Second, next: func() job {
			if turn++; turn%4 == 0 { // so that the far list changes more often than once a minute
				return job{args: voipbl("sync")}
			}
			return job{args: voipbl("sync", "--offline")}
		}},
		{name: "iptables -F", every: 700 * time.Millisecond, next: func() job {
			return job{args: []string{"iptables-nft", "-F", "INPUT"}}
		}},
		{name: "ipset del", every: 150 * time.Millisecond, next: func() job {
			lines := strings.Fields(a.lists[0].bodies[a.lists[0].n%2])
			// Where it is merged with a neighbour the kernel has no such entry.
			return job{args: []string{"ipset", "-exist", "del", "voip_bl", lines[a.random.IntN(len(lines))]}}
		}},
	}
}

// banOrUnban bans two addresses, then unbans one, and so on.
func (a *abuse) banOrUnban() job {
	if a.nextBan++; a.nextBan%3 == 0 && len(a.banned) > 0 {
		addr := a.banned[0]
		return job{args: []string{"voipbl", "--config", a.cfg, "unban", addr.String()}, then: func() { a.banned = a.banned[1:] }}
	}
	addr := ban(0, a.nextBan)
	return job{args: []string{"voipbl", "--config", a.cfg, "ban", addr.String()}, then: func() { a.banned = append(a.banned, addr) }}
}

// attack runs all kinds of abuse for a time, and returns when everything that it started has ended.
func (a *abuse) attack(length time.Duration) {
	a.t.Helper()
	tick := time.NewTicker(abuseTick)
	defer tick.Stop()
	for stop := time.Now().Add(length); time.Now().Before(stop); {
		select {
		case <-tick.C:
			a.round()
		case r := <-a.results:
			a.ended(r)
		case err := <-a.exit:
			a.t.Fatalf("the agent has ended: %v\n%s", err, a.lastLines())
		}
	}
	for a.running > 0 {
		a.ended(<-a.results) // each is killed when it takes too long
	}
	a.look()
	for _, c := range slices.Concat(a.silent, a.slow) {
		c.Close()
	}
	a.silent, a.slow = nil, nil
	// Of these it is the agent that has to get tired.
	for range 20 {
		a.kept = append(a.kept, a.dialControl(), a.dialMetrics("GET /metrics HTTP/1.1\r\nHost: half"))
	}
}

// round is one tick's worth of everything.
func (a *abuse) round() {
	a.t.Helper()
	a.step++
	if err := a.agent.Process.Signal(syscall.SIGHUP); err != nil {
		a.t.Fatal(err)
	}
	a.hangups++
	for _, v := range a.lists {
		if time.Since(v.written) >= time.Second {
			a.look()
			a.rewrite(v)
		}
	}
	if time.Since(a.far.written) >= 3*time.Second {
		a.look()
		a.offer()
	}
	if a.step%5 == 0 {
		a.look()
	}
	for _, l := range a.lanes {
		if !l.busy && time.Since(l.last) >= l.every {
			a.start(l)
		}
	}
	for range 4 {
		a.silent = append(a.silent, a.dialControl())
	}
	if a.step%10 == 0 {
		a.slow = append(a.slow, a.dialMetrics("GET /metrics HTTP/1.1\r\nHost: slow\r\n\r\n"), a.dialMetrics("GET /met"))
	}
	if a.step%25 == 0 {
		a.metrics()
	}
	a.silent = closeOldest(a.silent, 64)
	a.slow = closeOldest(a.slow, 24)
}

func closeOldest(conns []net.Conn, most int) []net.Conn {
	for ; len(conns) > most; conns = conns[1:] {
		conns[0].Close()
	}
	return conns
}

// start starts a command here, for the namespace is this goroutine's.
func (a *abuse) start(l *lane) {
	a.t.Helper()
	j := l.next()
	ctx, cancel := context.WithTimeout(context.Background(), commandWait)
	cmd := exec.CommandContext(ctx, j.args[0], j.args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		cancel()
		a.t.Fatal(err)
	}
	l.busy, l.last = true, time.Now()
	a.running++
	go func() {
		defer cancel()
		err := cmd.Wait()
		a.results <- result{l, j, out.String(), err, time.Since(l.last)}
	}()
}

func (a *abuse) ended(r result) {
	a.running--
	r.busy = false
	r.count++
	r.all += r.took
	r.longest = max(r.longest, r.took)
	if code := exitCode(r.err); code != exit.OK && !slices.Contains(r.codes, code) {
		if r.failed++; r.failed <= 3 {
			a.t.Errorf("%s: %v after %v: %s", strings.Join(r.args, " "), r.err, r.took, r.out)
		}
		return
	}
	if r.then != nil {
		r.then()
	}
}
