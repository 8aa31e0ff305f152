package ipsetsync

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/voipbl/voipbl/cidr"
)

// bytesOf reads hex with spaces, newlines and comments after "|".
func bytesOf(t *testing.T, text string) string {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "|")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestGolden compares each message with the expected bytes after the netlink header,
// listed with the equivalent ipset(8) command. Numbers in the host's byte order are
// little endian.
func TestGolden(t *testing.T) {
	v4 := cidr.SetOf(cidr.MustParsePrefix("192.0.2.0/24"), cidr.MustParsePrefix("198.51.100.7"))[cidr.IPv4]
	v6 := cidr.SetOf(cidr.MustParsePrefix("2001:db8::/32"))[cidr.IPv6]
	for _, test := range []struct {
		command string // the equivalent command
		got     request
		cmd     uint8
		flags   uint16
		body    string
	}{
		{
			"ipset, any command: it asks for the protocol first", protocolRequest(), 1, 0,
			`02 00 0000              | nfgenmsg: AF_INET, version 0, resource 0
			 0500 0100 07 000000     | IPSET_ATTR_PROTOCOL 7`,
		},
		{
			"ipset create voip_bl hash:net family inet6: it asks for the type", typeRequest(cidr.IPv6), 13, 0,
			`0a 00 0000              | nfgenmsg: AF_INET6
			 0500 0100 07 000000     | IPSET_ATTR_PROTOCOL 7
			 0d00 0300 686173683a6e657400 000000 | IPSET_ATTR_TYPENAME "hash:net"
			 0500 0500 0a 000000     | IPSET_ATTR_FAMILY AF_INET6`,
		},
		{
			"ipset create fail2ban-A hash:ip family inet6 maxelem 65536 timeout 0",
			createTimedRequest(byFail2ban, "fail2ban-A", cidr.IPv6, 0), 2, unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL,
			`0a 00 0000
			 0500 0100 07 000000     | IPSET_ATTR_PROTOCOL 7
			 0f00 0200 6661696c3262616e2d4100 00 | IPSET_ATTR_SETNAME "fail2ban-A"
			 0c00 0300 686173683a697000 | IPSET_ATTR_TYPENAME "hash:ip"
			 0500 0400 00 000000     | IPSET_ATTR_REVISION 0
			 0500 0500 0a 000000     | IPSET_ATTR_FAMILY AF_INET6
			 1400 0780               | IPSET_ATTR_DATA, nested
			   0800 0640 00000000    | IPSET_ATTR_TIMEOUT 0, net byte order
			   0800 1340 00010000    | IPSET_ATTR_MAXELEM 65536`,
		},
		{
			"ipset create voip_bl hash:net family inet hashsize 32768 maxelem 1048576 counters",
			createRequest(spec{"voip_bl", cidr.IPv4, 6, 32768, 1 << 20}), 2, unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL,
			`02 00 0000
			 0500 0100 07 000000     | IPSET_ATTR_PROTOCOL 7
			 0c00 0200 766f69705f626c00 | IPSET_ATTR_SETNAME "voip_bl"
			 0d00 0300 686173683a6e657400 000000 | IPSET_ATTR_TYPENAME "hash:net"
			 0500 0400 06 000000     | IPSET_ATTR_REVISION 6
			 0500 0500 02 000000     | IPSET_ATTR_FAMILY AF_INET
			 1c00 0780               | IPSET_ATTR_DATA, nested
			   0800 1240 00008000    | IPSET_ATTR_HASHSIZE 32768, network order
			   0800 1340 00100000    | IPSET_ATTR_MAXELEM 1048576
			   0800 0840 00000008    | IPSET_ATTR_CADT_FLAGS IPSET_FLAG_WITH_COUNTERS`,
		},
		{
			"ipset destroy voip_bl", destroyRequest("voip_bl"), 3, unix.NLM_F_ACK | unix.NLM_F_EXCL,
			`02 00 0000 0500 0100 07 000000 0c00 0200 766f69705f626c00`,
		},
		{
			"ipset swap a voip_bl", swapRequest("a", "voip_bl"), 6, unix.NLM_F_ACK,
			`02 00 0000 0500 0100 07 000000
			 0600 0200 6100 0000     | IPSET_ATTR_SETNAME "a"
			 0c00 0300 766f69705f626c00 | IPSET_ATTR_SETNAME2 "voip_bl"`,
		},
		{
			"ipset rename a voip_bl", renameRequest("a", "voip_bl"), 5, unix.NLM_F_ACK,
			`02 00 0000 0500 0100 07 000000 0600 0200 6100 0000 0c00 0300 766f69705f626c00`,
		},
		{
			"ipset list voip_bl", listRequest("voip_bl"), 7, unix.NLM_F_DUMP,
			`02 00 0000 0500 0100 07 000000 0c00 0200 766f69705f626c00`,
		},
		{
			"ipset list", listRequest(""), 7, unix.NLM_F_DUMP,
			`02 00 0000 0500 0100 07 000000`,
		},
		{
			"ipset list -terse voip_bl", headerRequest("voip_bl"), 7, unix.NLM_F_DUMP,
			`02 00 0000 0500 0100 07 000000 0c00 0200 766f69705f626c00
			 0800 0640 00000004      | IPSET_ATTR_FLAGS IPSET_FLAG_LIST_HEADER`,
		},
		{
			"ipset add voip_bl …: what it asks first", kindRequest("voip_bl"), 12, 0,
			`02 00 0000 0500 0100 07 000000 0c00 0200 766f69705f626c00`,
		},
		{
			"ipset restore: add a 192.0.2.0/24 packets 1 bytes 84; add a 198.51.100.7",
			first(batch{name: "a", entries: v4.All(), counts: []Count{{v4.At(0), 1, 84}}}), 9, unix.NLM_F_ACK | unix.NLM_F_EXCL,
			`02 00 0000 0500 0100 07 000000 0600 0200 6100 0000
			 0800 0900 00000000      | IPSET_ATTR_LINENO, the kernel's to write
			 5c00 0880               | IPSET_ATTR_ADT, nested
			   3800 0780             |   IPSET_ATTR_DATA
			     0c00 0180           |     IPSET_ATTR_IP
			       0800 0140 c0000200 |      IPSET_ATTR_IPADDR_IPV4
			     0500 0300 18 000000 |     IPSET_ATTR_CIDR 24
			     0c00 1840 0000000000000054 | IPSET_ATTR_BYTES 84
			     0c00 1940 0000000000000001 | IPSET_ATTR_PACKETS 1
			     0800 0900 00000000  |     IPSET_ATTR_CADT_LINENO 0
			   2000 0780
			     0c00 0180
			       0800 0140 c6336407
			     0500 0300 20 000000
			     0800 0900 01000000`,
		},
		{
			"ipset add b 2001:db8::/32",
			first(batch{name: "b", entries: v6.All()}), 9, unix.NLM_F_ACK | unix.NLM_F_EXCL,
			`02 00 0000 0500 0100 07 000000 0600 0200 6200 0000 0800 0900 00000000
			 3000 0880
			   2c00 0780
			     1800 0180
			       1400 0240 20010db8000000000000000000000000 | IPSET_ATTR_IPADDR_IPV6
			     0500 0300 20 000000
			     0800 0900 00000000`,
		},
	} {
		t.Run(test.command, func(t *testing.T) {
			if test.got.cmd != test.cmd || test.got.flags != test.flags {
				t.Errorf("command %d flags %#x, want %d %#x", test.got.cmd, test.got.flags, test.cmd, test.flags)
			}
			if want := bytesOf(t, test.body); string(test.got.body()) != want {
				t.Errorf("got\n%swant\n%s", hex.Dump(test.got.body()), hex.Dump([]byte(want)))
			}
		})
	}
}

// TestBatchFits fills batches with the longest entries: no container exceeds its 16
// bits of length, and no entry is lost.
func TestBatchFits(t *testing.T) {
	var b cidr.Builder
	const n = 5000
	for i := range n {
		p, _ := cidr.FromBytes([]byte{0x20, 1, 0xd, 0xb8, byte(i >> 8), byte(i), 14: 0, 15: 1}, 128)
		b.Add(p)
	}
	set := b.Sets()[cidr.IPv6]
	const maxNameLength = 31 // ip_set.h: IPSET_MAXNAMELEN without the NUL
	adding := batch{name: strings.Repeat("x", maxNameLength), entries: set.All()}
	for p := range set.All() {
		adding.counts = append(adding.counts, Count{p, 1, 1})
	}
	// What the kernel says of a set before its entries.
	asIPv6 := message(adding.name, TypeHashNet, unix.AF_INET6, nil, nil)
	l := listing{entries: true}
	for r := range adding.requests() {
		if len(r.msg) > maxBatchBytes {
			t.Errorf("a message of %d bytes in a buffer of %d", len(r.msg), maxBatchBytes)
		}
		if err := l.add(slices.Concat(asIPv6, r.body()[sizeofNfGenMsg:])); err != nil {
			t.Fatal(err)
		}
	}
	if got := l.sets[0]; !slices.Equal(got.Prefixes, slices.Collect(set.All())) || !slices.Equal(got.Counts, adding.counts) {
		t.Errorf("%d entries with %d counts, not the %d", len(got.Prefixes), len(got.Counts), n)
	}
}

// TestPlainEntry: entries that are made of a copy are the same as those made attribute by
// attribute.
func TestPlainEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom(cidr.Families[:]).Draw(t, "family")
		p, number := drawEntry(t, f), rapid.Uint32().Draw(t, "number")
		e := encoder{[]byte("what is before..")}
		any := encoder{[]byte("what is before..")}
		e.entry(p, Count{}, number)
		any.anyEntry(p, Count{}, number)
		if !bytes.Equal(e.b, any.b) {
			t.Fatalf("got\n%swant\n%s", hex.Dump(e.b), hex.Dump(any.b))
		}
	})
}

// first returns the first message of a batch.
func first(b batch) request {
	for r := range b.requests() {
		return r
	}
	return request{}
}
