package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"time"
)

func (a *abuse) dialControl() net.Conn {
	a.t.Helper()
	c, err := net.DialTimeout("unix", filepath.Join(a.dir, "run", "agent.sock"), time.Minute)
	if err != nil {
		a.t.Fatal(err)
	}
	a.opened++
	return c
}

// dialMetrics connects on this goroutine, for the namespace is its own, says
// something, and leaves little room for the answer.
func (a *abuse) dialMetrics(say string) net.Conn {
	a.t.Helper()
	c, err := net.DialTimeout("tcp", metricsAt, time.Minute)
	if err != nil {
		a.t.Fatal(err)
	}
	a.opened++
	c.(*net.TCPConn).SetReadBuffer(1)
	if _, err := io.WriteString(c, say); err != nil {
		a.t.Fatal(err)
	}
	return c
}

// metrics asks for them; it returns nil when the agent is busy with others.
func (a *abuse) metrics() map[string]float64 {
	a.t.Helper()
	start := time.Now()
	answer := a.askMetrics()
	a.slowest = max(a.slowest, time.Since(start))
	if !bytes.Contains(answer, []byte(" 200 OK\r\n")) {
		if !bytes.Contains(answer, []byte(" 503 ")) {
			a.t.Errorf("metrics: %s", answer)
		}
		a.metricsBusy++
		return nil
	}
	a.metricsOK++
	return metricsOf(answer)
}

// idleEnds has the agent end the connections that were left to it.
func (a *abuse) idleEnds(stopped time.Time) {
	a.t.Helper()
	open, timeout := 0, net.Error(nil)
	for _, c := range a.kept {
		c.SetReadDeadline(stopped.Add(idleEnd))
		// Before the agent hangs up it may say why.
		if _, err := io.Copy(io.Discard, c); errors.As(err, &timeout) && timeout.Timeout() {
			open++
		}
		c.Close()
	}
	a.t.Logf("%d connections that say nothing, ended by the agent within %v", len(a.kept)-open, time.Since(stopped).Round(time.Second))
	if open > 0 {
		a.t.Errorf("%d of %d connections that say nothing are still open after %v", open, len(a.kept), idleEnd)
	}
	a.kept = nil
}
