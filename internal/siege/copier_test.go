package siege_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/pbx/secrets"
)

// copier copies SIP messages to the watcher, as Asterisk does, of an Asterisk that has much to do.
type copier struct {
	s    *siege
	conn net.Conn
	key  string
	n    uint32
}

func (s *siege) copier() *copier {
	s.Helper()
	store, err := fetch.OpenStore(s.path("state"))
	s.must(err)
	defer store.Close()
	passwords, err := secrets.Ensure(store)
	s.must(err)
	conn, err := net.Dial("udp", hepPort.String())
	s.must(err)
	s.Cleanup(func() { conn.Close() })
	return &copier{s: s, conn: conn, key: passwords.HEP}
}

// attempts are those of an attacker.
type attempts struct {
	addr    netip.AddrPort
	answers int
	nonce   string // that it has got, and not yet answered
	banned  bool
}

// stranger copies a request of a new stranger, and the answer.
func (c *copier) stranger() {
	c.n++
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(100 + c.n>>24), byte(c.n >> 16), byte(c.n >> 8), byte(c.n)}), 5060)
	c.exchange(from, "", fmt.Sprintf("n%d", c.n))
}

// guesses copies the next request of an attacker, and the answer.
func (c *copier) guesses(a *attempts) {
	c.n++
	answers := a.nonce
	a.nonce = ""
	nonce := fmt.Sprintf("a%d", c.n)
	c.exchange(a.addr, answers, nonce)
	a.answers++
	if answers == "" {
		a.nonce = nonce
	}
}

// exchange copies a REGISTER that answers a challenge, if any, and the next challenge.
func (c *copier) exchange(from netip.AddrPort, answers, nonce string) {
	common := fmt.Sprintf("Via: SIP/2.0/UDP %[1]s;rport;branch=z9hG4bK%[2]d\r\n"+
		"From: <sip:7001@%[3]s>;tag=%[2]d\r\nTo: <sip:7001@%[3]s>\r\nCall-ID: %[2]d\r\nCSeq: 1 REGISTER\r\n", from, c.n, ipv4.pbx)
	request := "REGISTER sip:" + ipv4.pbx.String() + " SIP/2.0\r\n" + common +
		"Max-Forwards: 70\r\nContact: <sip:7001@" + from.String() + ">\r\nUser-Agent: Yealink SIP-T46S\r\n"
	if answers != "" {
		request += fmt.Sprintf(`Authorization: Digest username="7001", realm="asterisk", nonce="%s", uri="sip:%s", response="%032x", algorithm=MD5`+"\r\n", answers, ipv4.pbx, c.n)
	}
	c.copy(from, ipv4.sip(), request+"Content-Length: 0\r\n\r\n")
	c.copy(ipv4.sip(), from, "SIP/2.0 401 Unauthorized\r\n"+strings.Replace(common, ";rport;", ";rport=5060;received="+from.Addr().String()+";", 1)+
		`WWW-Authenticate: Digest realm="asterisk", nonce="`+nonce+`", algorithm=MD5, qop="auth"`+"\r\nServer: Asterisk PBX 22\r\nContent-Length: 0\r\n\r\n")
}

// copy sends a message in HEP3 (see pbx/hep).
func (c *copier) copy(from, to netip.AddrPort, text string) {
	b := append(make([]byte, 0, 2000), "HEP3\x00\x00"...)
	chunk := func(kind uint16, value ...byte) {
		b = binary.BigEndian.AppendUint16(b, 0)
		b = binary.BigEndian.AppendUint16(b, kind)
		b = binary.BigEndian.AppendUint16(b, uint16(6+len(value)))
		b = append(b, value...)
	}
	port := func(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }
	number := func(n int64) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	now := time.Now()
	chunk(1, 2)  // IPv4
	chunk(2, 17) // UDP
	chunk(3, from.Addr().AsSlice()...)
	chunk(4, to.Addr().AsSlice()...)
	chunk(7, port(from.Port())...)
	chunk(8, port(to.Port())...)
	chunk(9, number(now.Unix())...)
	chunk(10, number(int64(now.Nanosecond()/1000))...)
	chunk(11, 1) // SIP
	chunk(14, []byte(c.key)...)
	chunk(15, []byte(text)...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	if _, err := c.conn.Write(b); err != nil {
		c.s.Fatal(err)
	}
}
