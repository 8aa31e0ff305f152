// Package testdns is a DNS server for tests, with records set by the test.
package testdns

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// Server answers over UDP. A name without any record does not exist.
type Server struct {
	conn *net.UDPConn
	done chan struct{}

	mu      sync.Mutex
	records map[string]map[dnsmessage.Type][]string
	asked   map[string]int
}

// Start starts a server at an address, such as "127.0.0.1:53".
func Start(address string) (*Server, error) {
	at, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", at)
	if err != nil {
		return nil, err
	}
	s := &Server{conn: conn, done: make(chan struct{}), records: make(map[string]map[dnsmessage.Type][]string), asked: make(map[string]int)}
	go s.serve()
	return s, nil
}

// Address returns the server's address.
func (s *Server) Address() string { return s.conn.LocalAddr().String() }

// Close stops the server.
func (s *Server) Close() {
	s.conn.Close()
	<-s.done
}

var types = map[string]dnsmessage.Type{"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "SRV": dnsmessage.TypeSRV}

// Words in place of a name's records.
const (
	Fails  = "fails"  // the answer is SERVFAIL
	Silent = "silent" // there is no answer
)

// Set sets the records of one type: addresses, or the targets of SRV ("PRIORITY:TARGET" for
// another priority than 10), or one of the words above. Without values the name has no record
// of that type.
func (s *Server) Set(name, kind string, values ...string) error {
	typ, ok := types[kind]
	if !ok {
		return fmt.Errorf("no type %q", kind)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name = key(name)
	if s.records[name] == nil {
		s.records[name] = make(map[dnsmessage.Type][]string)
	}
	s.records[name][typ] = values
	return nil
}

// Forget removes a name.
func (s *Server) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, key(name))
}

// Asked returns how often a name was asked for.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[key(name)]
}

func key(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

func (s *Server) serve() {
	defer close(s.done)
	packet := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(packet)
		if err != nil {
			return
		}
		if reply := s.answer(packet[:n]); reply != nil {
			s.conn.WriteToUDPAddrPort(reply, from)
		}
	}
}

func (s *Server) answer(packet []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[key(q.Name.String())]++
	records, exists := s.records[key(q.Name.String())]
	if !exists {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, value := range records[q.Type] {
		switch value {
		case Silent:
			return nil
		case Fails:
			m.RCode = dnsmessage.RCodeServerFailure
			continue
		}
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   body(q.Type, value),
		})
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func body(typ dnsmessage.Type, value string) dnsmessage.ResourceBody {
	switch typ {
	case dnsmessage.TypeA:
		return &dnsmessage.AResource{A: netip.MustParseAddr(value).As4()}
	case dnsmessage.TypeAAAA:
		return &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(value).As16()}
	}
	priority := 10
	if number, target, found := strings.Cut(value, ":"); found {
		priority, _ = strconv.Atoi(number)
		value = target
	}
	return &dnsmessage.SRVResource{Priority: uint16(priority), Weight: 10, Port: 5060, Target: dnsmessage.MustNewName(strings.TrimSuffix(value, ".") + ".")}
}
