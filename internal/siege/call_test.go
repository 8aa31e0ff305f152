package siege_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/voipbl/voipbl/internal/testasterisk"
	"github.com/voipbl/voipbl/internal/testpoll"
	"github.com/voipbl/voipbl/internal/testsip"
)

// counted are packets of UDP that somebody and a port of the PBX send each other. The kernel counts
// those that all rules have let in, and those that are to go out, before any rule. So what is not
// counted was lost by rules, however busy the machine is.
type counted struct {
	s     *siege
	table string
}

// count begins to count. whose is the port of who, or 0 for all.
func (s *siege) count(who netip.Addr, port, whose uint16) counted {
	s.Helper()
	s.counts++
	ip, table, sport, dport := "ip", fmt.Sprint("siege", s.counts), "", ""
	if whose != 0 {
		sport, dport = fmt.Sprint(" udp sport ", whose), fmt.Sprint(" udp dport ", whose)
	}
	if s.family.is6 {
		ip = "ip6"
	}
	s.sh(fmt.Sprintf(`nft -f - <<-END
		table inet %[1]s {
			counter in {}
			counter out {}
			chain in {
				type filter hook input priority 300
				%[2]s saddr %[3]s udp dport %[4]d%[5]s counter name in
			}
			chain out {
				type filter hook output priority -400
				%[2]s daddr %[3]s udp sport %[4]d%[6]s counter name out
			}
		}
		END`, table, ip, who, port, sport, dport))
	return counted{s, table}
}

// packets returns how many there were.
func (c counted) packets() (in, out int) {
	c.s.Helper()
	listing, err := exec.Command("nft", "-j", "list", "counters", "table", "inet", c.table).Output()
	c.s.must(err)
	var all struct {
		NFTables []struct {
			Counter *struct {
				Name    string
				Packets int
			}
		}
	}
	c.s.must(json.Unmarshal(listing, &all))
	found := 0
	for _, one := range all.NFTables {
		switch {
		case one.Counter == nil:
		case one.Counter.Name == "in":
			in, found = one.Counter.Packets, found+1
		case one.Counter.Name == "out":
			out, found = one.Counter.Packets, found+1
		}
	}
	if found != 2 {
		c.s.Fatalf("the counters of %s: %s", c.table, listing)
	}
	return in, out
}

// call is one with RTP: a packet each 20 ms to a number that echoes.
type call struct {
	s    *siege
	rtp  *net.UDPConn
	to   netip.AddrPort
	let  counted
	stop chan struct{}
	sent atomic.Int64
	back atomic.Int64
	said chan struct{} // closed when nothing more is sent
	done chan struct{} // closed when nothing more is heard

	// Of what came back: places where the sequence numbers have a gap, and packets of ours that it has,
	// by the number in the payload.
	gaps  []string
	heard map[uint32]bool
}

// rtpSize is the size of a packet: a header (RFC 3550) and 20 ms of PCMU.
const rtpSize = 12 + 160

// speak begins a call.
func (s *siege) speak(phone *testsip.Client) *call {
	s.Helper()
	c := &call{s: s, stop: make(chan struct{}), said: make(chan struct{}), done: make(chan struct{}), heard: make(map[uint32]bool)}
	s.phone.Do(func() {
		var err error
		c.rtp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(phone.Local().Addr(), 12000)))
		s.must(err)
	})
	s.Cleanup(func() { c.rtp.Close() })
	a := phone.DoAs(testasterisk.Call(phone, "7000", "200"), "7000", password)
	var port uint16
	for line := range strings.Lines(a.Body) {
		if n, _ := fmt.Sscanf(line, "m=audio %d", &port); n == 1 {
			break
		}
	}
	if a.Status != 200 || port == 0 {
		s.Fatalf("the call is answered %d\n%s", a.Status, a.Body)
	}
	c.to, c.let = netip.AddrPortFrom(s.family.pbx, port), s.count(phone.Local().Addr(), port, 0)
	go c.send()
	go c.listen()
	return c
}

func (c *call) send() {
	defer close(c.said)
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	packet := make([]byte, rtpSize)
	for i := uint32(0); ; i++ {
		select {
		case <-c.stop:
			return
		case <-every.C:
		}
		packet[0], packet[1] = 0x80, 0 // version 2, PCMU
		binary.BigEndian.PutUint16(packet[2:], uint16(i))
		binary.BigEndian.PutUint32(packet[4:], i*160)
		packet[11] = 1
		binary.BigEndian.PutUint32(packet[12:], i)
		if _, err := c.rtp.WriteToUDPAddrPort(packet, c.to); err != nil {
			if !errors.Is(err, net.ErrClosed) { // the test has failed
				c.s.Error(err)
			}
			return
		}
		c.sent.Add(1)
	}
}

func (c *call) listen() {
	defer close(c.done)
	packet := make([]byte, 2000)
	for before, first := uint16(0), true; ; first = false {
		n, _, err := c.rtp.ReadFromUDPAddrPort(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n != rtpSize {
			c.s.Errorf("the phone has heard %d bytes, %v", n, err)
			return
		}
		number := binary.BigEndian.Uint16(packet[2:])
		if !first && number != before+1 {
			c.gaps = append(c.gaps, fmt.Sprintf("%d, %d", before, number))
		}
		before = number
		c.heard[binary.BigEndian.Uint32(packet[12:])] = true
		c.back.Add(1)
	}
}

// end ends the call, and fails the test if a packet was lost.
func (c *call) end() {
	c.s.Helper()
	const enough = 50
	c.s.eventually("the phone has spoken", func() bool { return c.sent.Load() >= enough })
	close(c.stop)
	<-c.said
	sent := int(c.sent.Load())
	came := testpoll.Until(patience, func() bool { return int(c.back.Load()) >= sent })
	c.rtp.Close()
	<-c.done
	in, out := c.let.packets()
	c.s.Logf("%d RTP packets sent, %d let in, %d sent back, %d come back", sent, in, out, c.back.Load())
	if in != sent || out != int(c.back.Load()) || c.gaps != nil {
		c.s.Errorf("rules have lost RTP packets: %d of %d were let in, %d of %d came back, gaps %q", in, sent, c.back.Load(), out, c.gaps)
	}
	if !came || len(c.heard) != sent {
		c.s.Errorf("the phone has heard %d of its %d packets", len(c.heard), sent)
	}
}
