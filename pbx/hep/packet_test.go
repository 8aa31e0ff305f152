package hep

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/pbx/sip"
)

const testKey = "right password"

// chunk encodes one chunk.
func chunk(vendor, kind uint16, value ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, vendor)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(chunkHeader+len(value)))
	return append(b, value...)
}

// datagram encodes chunks, in the order given.
func datagram(chunks ...[]byte) []byte {
	body := bytes.Join(chunks, nil)
	b := binary.BigEndian.AppendUint16([]byte(magic), uint16(headLength+len(body)))
	return append(b, body...)
}

// chunksOf encodes a packet, as Asterisk does.
func chunksOf(p Packet, key string) [][]byte {
	protocol := byte(0)
	for n, name := range transports {
		if name == p.Transport {
			protocol = n
		}
	}
	family, from, to := byte(familyIPv4), uint16(chunkSource4), uint16(chunkDest4)
	if p.Source.Addr().Is6() {
		family, from, to = familyIPv6, chunkSource6, chunkDest6
	}
	u16 := func(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
	u32 := func(n int64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	return [][]byte{
		chunk(0, chunkFamily, family),
		chunk(0, chunkProtocol, protocol),
		chunk(0, chunkSourcePort, u16(p.Source.Port())...),
		chunk(0, chunkDestPort, u16(p.Destination.Port())...),
		chunk(0, chunkSeconds, u32(p.At.Unix())...),
		chunk(0, chunkMicros, u32(int64(p.At.Nanosecond()/1000))...),
		chunk(0, chunkPayloadType, payloadSIP),
		chunk(0, 0x000c, 0, 0, 0, 1),
		chunk(0, from, p.Source.Addr().AsSlice()...),
		chunk(0, to, p.Destination.Addr().AsSlice()...),
		chunk(0, chunkKey, []byte(key)...),
		chunk(0, 0x0011, []byte("call-id")...),
		chunk(0, chunkPayload, p.SIP...),
	}
}

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestDecode(t *testing.T) {
	for _, p := range []Packet{
		{time.Unix(1795905982, 649117000), ap("192.0.2.5:5062"), ap("192.0.2.1:5060"), "udp", []byte("REGISTER")},
		{time.Unix(1, 0), ap("[2001:db8::5]:5062"), ap("[2001:db8::1]:5060"), "tcp", []byte("x")},
		{time.Unix(1<<32-1, 999999000), ap("192.0.2.5:1"), ap("192.0.2.1:65535"), "tls", nil},
	} {
		plain := chunksOf(p, testKey)
		got, err := Decode(datagram(plain...), testKey)
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		if !got.At.Equal(p.At) || got.Source != p.Source || got.Destination != p.Destination || got.Transport != p.Transport || !bytes.Equal(got.SIP, p.SIP) {
			t.Errorf("%+v: %+v", p, got)
		}
	}
	p := Packet{time.Unix(1, 0), ap("[::ffff:192.0.2.5]:1"), ap("[::ffff:192.0.2.1]:2"), "udp", nil}
	if got, err := Decode(datagram(chunksOf(p, testKey)...), testKey); err != nil || got.Source != ap("192.0.2.5:1") || got.Destination != ap("192.0.2.1:2") {
		t.Errorf("mapped addresses: %+v, %v", got, err)
	}
}

// TestDecodeRefuses has what others than a PBX send, and PBXs that send more than SIP.
func TestDecodeRefuses(t *testing.T) {
	p := Packet{time.Unix(1795905982, 0), ap("192.0.2.5:5062"), ap("192.0.2.1:5060"), "udp", []byte("OPTIONS")}
	// without returns the chunks of p but one; with returns them and others.
	without := func(kind uint16) []byte {
		var rest [][]byte
		for _, c := range chunksOf(p, testKey) {
			if binary.BigEndian.Uint16(c[2:]) != kind {
				rest = append(rest, c)
			}
		}
		return datagram(rest...)
	}
	with := func(more ...[]byte) []byte { return datagram(append(chunksOf(p, testKey), more...)...) }
	instead := func(kind uint16, value ...byte) []byte {
		b := without(kind)
		b = append(b, chunk(0, kind, value...)...)
		binary.BigEndian.PutUint16(b[len(magic):], uint16(len(b)))
		return b
	}
	long := with()
	copy(long[len(long)-len(p.SIP)-2:], []byte{0xff, 0xff})
	short := with()
	copy(short[len(short)-len(p.SIP)-2:], []byte{0, 5})
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"as it is":                       {with(), nil},
		"an unknown chunk":               {with(chunk(0, 0x0030, 1, 2)), nil},
		"an unknown empty chunk":         {with(chunk(0, 0x0030)), nil},
		"the first unknown chunk":        {with(chunk(0, chunks, 1)), nil},
		"a vendor's chunk":               {with(chunk(4, chunkFamily, 1, 2, 3)), nil},
		"a vendor's chunk at first":      {datagram(append([][]byte{chunk(4, chunkFamily, 1, 2, 3)}, chunksOf(p, testKey)...)...), nil},
		"no microseconds":                {without(chunkMicros), nil},
		"no key":                         {without(chunkKey), ErrKey},
		"an empty key":                   {instead(chunkKey), ErrKey},
		"another key":                    {instead(chunkKey, []byte("wrong password")...), ErrKey},
		"the beginning of the key":       {instead(chunkKey, []byte(testKey)[:5]...), ErrKey},
		"more than the key":              {instead(chunkKey, []byte(testKey+"x")...), ErrKey},
		"a vendor's key only":            {datagram(append([][]byte{chunk(4, chunkKey, []byte(testKey)...)}, chunksOf(p, "")...)...), ErrKey},
		"two keys":                       {with(chunk(0, chunkKey, []byte(testKey)...)), ErrDamaged},
		"two sources":                    {with(chunk(0, chunkSource4, 192, 0, 2, 6)), ErrDamaged},
		"two payloads":                   {with(chunk(0, chunkPayload, []byte("x")...)), ErrDamaged},
		"no family":                      {without(chunkFamily), ErrDamaged},
		"another family":                 {instead(chunkFamily, 3), ErrDamaged},
		"the family of other addresses":  {instead(chunkFamily, familyIPv6), ErrDamaged},
		"no source":                      {without(chunkSource4), ErrDamaged},
		"no destination":                 {without(chunkDest4), ErrDamaged},
		"no port":                        {without(chunkSourcePort), ErrDamaged},
		"no time":                        {without(chunkSeconds), ErrDamaged},
		"a short address":                {instead(chunkSource4, 192, 0, 2), ErrDamaged},
		"a long address":                 {instead(chunkSource4, 192, 0, 2, 5, 6), ErrDamaged},
		"a long port":                    {instead(chunkDestPort, 0, 0, 1), ErrDamaged},
		"another protocol":               {instead(chunkProtocol, 1), ErrOther},
		"RTCP":                           {instead(chunkPayloadType, 5), ErrOther},
		"no type":                        {without(chunkPayloadType), ErrDamaged},
		"no payload":                     {without(chunkPayload), ErrOther},
		"zipped":                         {datagram(append([][]byte{chunk(0, chunkZipped, 1)}, chunksOf(p, testKey)[:12]...)...), ErrOther},
		"a chunk longer than the packet": {long, ErrDamaged},
		"a chunk shorter than its head":  {short, ErrDamaged},
		"a byte too many":                {append(with(), 0), ErrDamaged},
		"a byte too few":                 {with()[:len(with())-1], ErrDamaged},
		"bytes behind the last chunk":    {datagram(append(chunksOf(p, testKey), []byte{0, 0, 0})...), ErrDamaged},
		"nothing":                        {nil, ErrDamaged},
		"HEP2":                           {append([]byte{2, 16}, with()[2:]...), ErrDamaged},
		"only a head":                    {datagram(), ErrKey},
	} {
		if _, err := Decode(c.b, testKey); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Decode(datagram(chunksOf(p, "")...), ""); !errors.Is(err, ErrKey) {
		t.Errorf("without a password: %v", err)
	}
}

// asterisk22 are the datagrams that a real Asterisk 22.10 sent, without a password, of a REGISTER with
// a wrong password: request, challenge, request, challenge.
func asterisk22(t testing.TB) (datagrams [][]byte) {
	text, err := os.ReadFile("testdata/asterisk22-wrong-password.hex")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(string(text)) {
		b, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		datagrams = append(datagrams, b)
	}
	return datagrams
}

// withKey adds the password to a datagram.
func withKey(b []byte, key string) []byte {
	return datagram(b[headLength:], chunk(0, chunkKey, []byte(key)...))
}

func TestDecodeOfAsterisk(t *testing.T) {
	for i, b := range asterisk22(t) {
		if _, err := Decode(b, testKey); !errors.Is(err, ErrKey) {
			t.Errorf("%d: %v without a password", i, err)
		}
		p, err := Decode(withKey(b, testKey), testKey)
		if err != nil {
			t.Fatal(err)
		}
		from, to := ap("45.1.2.5:23316"), ap("45.1.2.1:5060")
		if i%2 == 1 {
			from, to = to, from
		}
		if p.Source != from || p.Destination != to || p.Transport != "udp" || p.At.Unix() != 1795905982 {
			t.Errorf("%d: %+v", i, p)
		}
		if m, err := sip.Read(p.SIP); err != nil || m.CallID != "c415556360-45.1.2.5" {
			t.Errorf("%d: %+v, %v", i, m, err)
		}
	}
}

// FuzzDecode: what is read of a datagram is in it, and encoding it again says the same.
func FuzzDecode(f *testing.F) {
	f.Add(datagram(chunksOf(Packet{time.Unix(1, 0), ap("192.0.2.5:5062"), ap("192.0.2.1:5060"), "udp", []byte("OPTIONS")}, testKey)...))
	f.Add(datagram(chunksOf(Packet{time.Unix(1, 0), ap("[2001:db8::1]:5062"), ap("[2001:db8::2]:5060"), "ws", nil}, testKey)...))
	f.Add([]byte("HEP3\x00\x0c\x00\x00\x00\x0f\x00\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b, testKey)
		if err != nil {
			return
		}
		if !bytes.Contains(b, p.SIP) || !bytes.Contains(b, []byte(testKey)) {
			t.Fatalf("%+v is not in %x", p, b)
		}
		if p.Source.Addr().Is6() != p.Destination.Addr().Is6() {
			return // one of them is an IPv4 address in IPv6
		}
		again, err := Decode(datagram(chunksOf(p, testKey)...), testKey)
		if err != nil {
			t.Fatal(err)
		}
		if !again.At.Equal(p.At) || again.Source != p.Source || again.Destination != p.Destination || again.Transport != p.Transport || !bytes.Equal(again.SIP, p.SIP) {
			t.Fatalf("%+v is %+v", p, again)
		}
	})
}
