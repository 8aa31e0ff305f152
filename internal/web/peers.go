package web

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Role is the part that a host had in a request.
type Role string

// The roles.
const (
	Server   Role = ""
	Redirect Role = "redirect"
	ByProxy  Role = "proxy"
)

// Peer is a host that a request was sent to, or was redirected to.
type Peer struct {
	Host string     `json:"host"`          // in lower case, a name or an address
	Addr netip.Addr `json:"addr,omitzero"` // address of the connection, if there was one
	Role Role       `json:"role,omitempty"`
}

// Peers records the hosts that one request leads to, with redirects and proxy.
type Peers struct {
	mu    sync.Mutex
	hosts []string // of the URL and of redirects
	found []Peer
	next  string // the host that is being connected to
}

// Begin forgets all hosts and starts with a URL. Requests with the returned context
// record their connections.
func (p *Peers) Begin(ctx context.Context, u *url.URL) context.Context {
	p.Again(u)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: p.dial,
		GotConn: func(info httptrace.GotConnInfo) { p.connected(info.Conn) },
	})
}

// Again prepares for another attempt.
func (p *Peers) Again(u *url.URL) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts, p.found = []string{hostOf(u)}, nil
}

// Redirected records a redirect that is followed.
func (p *Peers) Redirected(to *url.URL) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts = append(p.hosts, hostOf(to))
}

// hostOf returns the host of a URL. It returns "" for a host that is not plain ASCII:
// its connection has another name, and its characters are not safe to show.
func hostOf(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789._-:") != "" {
		return ""
	}
	return host
}

func (p *Peers) dial(hostPort string) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = strings.ToLower(host)
}

func (p *Peers) connected(conn net.Conn) {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found = append(p.found, Peer{Host: p.next, Addr: at.Addr().Unmap().WithZone("")})
}

// All returns the hosts in order, without duplicates.
func (p *Peers) All() []Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Peer
	for _, peer := range p.found {
		switch i := slices.Index(p.hosts, peer.Host); {
		case i > 0:
			peer.Role = Redirect
		case i < 0 && slices.Contains(p.hosts[1:], ""):
			peer.Role = Redirect
		case i < 0 && p.hosts[0] != "":
			peer.Role = ByProxy
		}
		if !slices.Contains(all, peer) {
			all = append(all, peer)
		}
	}
	for i, host := range p.hosts {
		peer := Peer{Host: host}
		if i > 0 && host != p.hosts[0] {
			peer.Role = Redirect
		}
		if host != "" && !slices.ContainsFunc(all, func(other Peer) bool { return other.Host == host }) {
			all = append(all, peer)
		}
	}
	return all
}
