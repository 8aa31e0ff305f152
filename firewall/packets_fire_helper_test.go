package firewall_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/voipbl/voipbl/ruleset"
)

const (
	firePort  = 4569
	phonePort = 5060

	// leak marks the rule that counts what passes voipbl's.
	leak = "past the drop"
)

// fire is the traffic while the rules change.
type fire struct {
	sides []*side
	stop  atomic.Bool
	done  sync.WaitGroup
}

// side is one family: addresses that send and are dropped, and a phone that asks.
type side struct {
	lab       *lab
	attackers [2]*underFire // one is on a list, one is banned
	phone     *net.UDPConn

	answered, lost int // to be read after the end
}

// underFire is an address in one of the sets.
type underFire struct {
	caller
	set   string
	conn  *net.UDPConn
	fired int // to be read after the end
}

// fired returns how many packets the addresses have sent.
func (s *side) fired() int { return s.attackers[0].fired + s.attackers[1].fired }

// beginFire opens all sockets in this goroutine, which is in the right network namespace, and sends in
// others: the attackers as fast as they can, the phone at its own pace.
func beginFire(labs ...*lab) *fire {
	f := new(fire)
	for _, l := range labs {
		l.t.Helper()
		s := &side{lab: l}
		for i, set := range []string{"voip_bl", "voip_ban"} {
			a := &underFire{caller: l.fresh(l.attacker), set: set + [...]string{"", "6"}[l.family]}
			s.attackers[i] = a
			l.run("", "ipset", "add", a.set, a.addr.String())
			// Wherever voipbl's rule is, what passes it reaches this one.
			l.iptables("-A", "INPUT", "-s", a.addr.String(), "-j", "ACCEPT", "-m", "comment", "--comment", leak)
			a.conn = l.dialUDP(a.caller, firePort)
			l.t.Cleanup(func() { a.conn.Close() })
		}
		for _, at := range everywhere {
			l.intrude("", at, "-A")
		}
		l.udpServer(firePort)
		go echo(l.udpServer(phonePort)) // until the server is closed
		s.phone = l.dialUDP(caller{l.phone, l.addr(l.phone)}, phonePort)
		l.t.Cleanup(func() { s.phone.Close() })
		f.sides = append(f.sides, s)
	}
	f.done.Go(func() {
		for !f.stop.Load() {
			for _, s := range f.sides {
				for _, a := range s.attackers {
					if _, err := a.conn.Write([]byte("knock")); err == nil {
						a.fired++
					}
				}
			}
		}
	})
	f.done.Go(func() {
		// One question of each phone per millisecond, since there are few processors.
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for n := uint64(0); !f.stop.Load(); n++ {
			<-pace.C
			for _, s := range f.sides {
				if ask(s.phone, n) {
					s.answered++
				} else {
					s.lost++
				}
			}
		}
	})
	return f
}

// end returns when the last packet is sent.
func (f *fire) end() {
	f.stop.Store(true)
	f.done.Wait()
}

// intrude puts another program's rule into a chain that voipbl drops in, and removes it again.
func (l *lab) intrude(out string, at ruleset.Place, in string) {
	l.t.Helper()
	table, chain := "filter", "INPUT"
	if at == ruleset.AtPrerouting {
		table, chain = "raw", "PREROUTING"
	}
	rule := "-s " + [...]string{"198.18.0.1", "2001:db8::1"}[l.family] + " -j ACCEPT"
	text := fmt.Sprintf("*%s\n%s %s %s\nCOMMIT\n", table, in, chain, rule)
	if out != "" {
		text = fmt.Sprintf("*%s\n%s %s %s\n%s %s %s\nCOMMIT\n", table, out, chain, rule, in, chain, rule)
	}
	l.run(text, fmt.Sprintf("%s-%s-restore", l.tool(), l.fw.Backend), "--noflush", "-w", "30")
}

// leaked returns how many packets of the blocked address passed voipbl's rules.
func (l *lab) leaked() int {
	l.t.Helper()
	return l.countedBy(func(rule string) bool { return strings.Contains(rule, leak) })
}

// echo answers every packet with itself.
func echo(c *net.UDPConn) {
	buf := make([]byte, 64)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		c.WriteToUDPAddrPort(buf[:n], from) // if it is lost, who asked will tell
	}
}

// ask sends a number and waits for it to come back.
func ask(c *net.UDPConn, n uint64) bool {
	var question, answer [8]byte
	binary.BigEndian.PutUint64(question[:], n)
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return false
	}
	if _, err := c.Write(question[:]); err != nil {
		return false
	}
	_, err := c.Read(answer[:])
	return err == nil && answer == question
}
