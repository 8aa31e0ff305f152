package hub

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/fleet/keys"
)

// liar is an attacker who has the place of the hub: it takes connections as a server does, and sends each
// what it likes.
func liar(t *testing.T, config *tls.Config, early bool, say func(w io.Writer)) (port int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	serve := func(conn net.Conn) {
		defer conn.Close()
		if early {
			say(conn)
			return
		}
		fmt.Fprintf(conn, "INFO {\"server_id\":\"liar\",\"version\":\"2.9.10\",\"proto\":1,\"headers\":true,\"jetstream\":true,\"tls_required\":%v,\"nonce\":\"abcdef\",\"max_payload\":1048576}\r\n", config != nil)
		if config != nil {
			conn = tls.Server(conn, config)
		}
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "PING") {
				fmt.Fprint(conn, "PONG\r\n")
				say(conn)
				return
			}
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// TestLies: a hub that lies neither ends the process nor fills its memory, whatever it sends. The connection
// ends, which is told as any other end.
func TestLies(t *testing.T) {
	text := func(s string) func(io.Writer) { return func(w io.Writer) { io.WriteString(w, s) } }
	endless := func(begin string) func(io.Writer) {
		return func(w io.Writer) {
			io.WriteString(w, begin)
			much := bytes.Repeat([]byte("x"), 64<<10)
			for range 256 << 20 / len(much) {
				if _, err := w.Write(much); err != nil {
					return
				}
			}
		}
	}
	for _, row := range []struct {
		name  string
		plain bool
		early bool
		say   func(io.Writer)
	}{
		{"a message as large as numbers are", false, false, text("MSG a 1 9223372036854775807\r\nx")},
		{"larger than they are", false, false, text("MSG a 1 99999999999999999999999\r\nx")},
		{"a message of 4 GB", true, false, text("MSG a 1 4294967296\r\nx")},
		{"a message of 100 MB", false, false, endless("MSG a 1 100000000\r\n")},
		{"with headers", true, false, text("HMSG a 1 b 12 9223372036854775807\r\nNATS/1.0\r\n\r\nx")},
		{"with more headers than bytes", true, false, text("HMSG a 1 b 12 5\r\nNATS/1.0\r\n\r\nx")},
		{"a negative size", true, false, text("MSG a 1 -5\r\nx")},
		{"a message without an end", true, false, text("MSG a 1 5\r\nhelloMSG a 1 9223372036854775807\r\n")},
		{"a line in a line", true, false, text("MSG a 1 5\rMSG a 1 9223372036854775807\r\n")},
		{"a line without an end", false, false, endless("MSG ")},
		{"an error without an end", true, false, endless("-ERR '")},
		{"news without an end", true, false, endless("INFO {")},
		{"something else", true, false, text("GET / HTTP/1.0\r\n\r\n")},
		{"no server", true, true, text("220 smtp\r\n")},
		{"a first line without an end", true, true, endless("INFO {")},
		{"and encrypted", false, true, endless("INFO {")},
		{"more than the first line before it is encrypted", false, true, text("INFO {\"tls_required\":true}\r\nMSG a 1 5\r\n")},
	} {
		t.Run(row.name, func(t *testing.T) {
			op, err := keys.New([]string{"127.0.0.1:4222"}, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			creds, err := op.Add("acme_pbx1", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			pair, err := tls.X509KeyPair([]byte(op.TLS.Certificate), []byte(op.TLS.Key))
			if err != nil {
				t.Fatal(err)
			}
			scheme, config := "tls", &tls.Config{Certificates: []tls.Certificate{pair}}
			if row.plain {
				scheme, config = "nats", nil
			}
			url := fmt.Sprintf("%s://127.0.0.1:%d", scheme, liar(t, config, row.early, row.say))
			c, err := New(Options{URLs: []string{url}, Creds: creds.Text(), Instance: "boot", Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			background(t, c.Run)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			lost := Lost{}
			for deadline := time.After(time.Minute); lost.Err == nil; {
				select {
				case e := <-c.Events():
					lost, _ = e.(Lost)
				case <-deadline:
					t.Fatal("it was not noticed")
				}
			}
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
				t.Errorf("that took %d bytes of memory", took)
			}
			if !row.early && !errors.Is(lost.Err, errLies) {
				t.Error(lost.Err)
			}
			if h := c.Health(); h.Error == "" || !h.Connected.IsZero() {
				t.Errorf("%+v", h)
			}
		})
	}
}

// TestGuardLetsThrough: what a server sends comes out as it goes in, in whatever pieces.
func TestGuardLetsThrough(t *testing.T) {
	const most = 10_000
	var all bytes.Buffer
	all.WriteString("INFO {\"a\":\"b c\"} \r\nPING\r\nPONG\r\n+OK\r\n-ERR 'no'\r\nMSG a.b 12 0\r\n\r\nMSG a.b 12 c 5\r\n\r\n\r\n\n\r\n")
	fmt.Fprintf(&all, "HMSG a 1 12 %d\r\nNATS/1.0\r\n\r\n%s\r\nHMSG a 1 b 12 12\r\nNATS/1.0\r\n\r\n\r\n", most, strings.Repeat("y", most-12))
	for _, size := range []int{1, 2, 3, 7, 4096, all.Len()} {
		a, b := net.Pipe()
		go func() {
			for rest := all.Bytes(); len(rest) > 0; {
				n, err := a.Write(rest[:min(size, len(rest))])
				if err != nil {
					return
				}
				rest = rest[n:]
			}
			a.Close()
		}()
		got, err := io.ReadAll(&guard{Conn: b, most: most})
		if err != nil || !bytes.Equal(got, all.Bytes()) {
			t.Errorf("pieces of %d: %d bytes of %d, %v", size, len(got), all.Len(), err)
		}
		b.Close()
	}
}
