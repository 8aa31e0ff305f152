package firewall_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/ruleset"
)

// TestPacketsToNFLog: with log_drops: nflog, a listener to the group in this network namespace gets the
// drops, whatever the host's sysctls.
func TestPacketsToNFLog(t *testing.T) {
	inEachLab(t, func(l *lab) {
		from := l.fresh(l.attacker)
		l.block(from.addr)
		l.udpServer(4569)
		settings := fullAt(everywhere[0])
		settings.LogDrops = ruleset.LogNetlink
		l.apply(settings)
		listener := listenNFLog(l.t)
		defer listener.Close()
		client := l.dialUDP(from, 4569)
		l.send(client, "knock")
		client.Close()
		listener.SetReadDeadline(time.Now().Add(time.Minute))
		for {
			messages, err := listener.Receive()
			if err != nil {
				l.t.Fatalf("no line came: %v", err)
			}
			for _, m := range messages {
				if bytes.Contains(m.Data, []byte("voipbl-drop: ")) && bytes.Contains(m.Data, from.addr.AsSlice()) {
					return
				}
			}
		}
	})
}

// listenNFLog binds to group 0 (linux/netfilter/nfnetlink_log.h).
func listenNFLog(t testing.TB) *netlink.Conn {
	t.Helper()
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, attribute := range []netlink.Attribute{
		{Type: 1, Data: []byte{1}},                             // NFULA_CFG_CMD: bind
		{Type: 2, Data: copyPackets(0xffff)},                   // NFULA_CFG_MODE
		{Type: 5, Data: binary.BigEndian.AppendUint32(nil, 1)}, // NFULA_CFG_QTHRESH: each at once
	} {
		data, err := netlink.MarshalAttributes([]netlink.Attribute{attribute})
		if err != nil {
			t.Fatal(err)
		}
		config := netlink.Message{
			Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | 1, Flags: netlink.Request | netlink.Acknowledge},
			Data:   append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0}, data...),
		}
		if _, err := c.Execute(config); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// copyPackets returns the mode that copies at most so many bytes of each packet.
func copyPackets(most uint32) []byte {
	return append(binary.BigEndian.AppendUint32(nil, most), 2, 0)
}
