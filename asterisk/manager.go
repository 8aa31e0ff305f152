package asterisk

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
)

// Manager is what manager.conf says of the manager interface (AMI).
type Manager struct {
	Enabled  bool
	HTTP     bool           // it is open over HTTP, too
	OldSIP   bool           // chan_sip writes events
	Listens  netip.AddrPort // where programs of this host reach it; invalid if they cannot
	Users    []string       // the sections of users
	Includes []string       // the files and patterns that manager.conf includes, as absolute paths
}

// managerPort is the port without a setting (main/manager.c: DEFAULT_MANAGER_PORT).
const managerPort = 5038

func managerOf(c *astConfig, oldSIP bool) Manager {
	general := c.section("general")
	m := Manager{
		Enabled: astTrue(general.get("enabled")), HTTP: astTrue(general.get("webenabled")), OldSIP: oldSIP,
		Listens: managerAddr(general),
	}
	for _, s := range c.sections {
		if !s.template && !strings.EqualFold(s.name, "general") && !slices.Contains(m.Users, s.name) {
			m.Users = append(m.Users, s.name)
		}
	}
	for _, i := range c.includes {
		if !filepath.IsAbs(i.name) {
			i.name = filepath.Join(Folder, i.name)
		}
		m.Includes = append(m.Includes, i.name)
	}
	return m
}

// managerAddr: a program of this host reaches what listens on all addresses by loopback.
func managerAddr(general *astSection) netip.AddrPort {
	port := managerPort
	if s := general.get("port"); s != "" {
		port = atoi(s)
	}
	at, given, err := bindAddr(general.get("bindaddr"), uint16(port))
	switch {
	case err != nil || port < 1 || port > 65535:
		return netip.AddrPort{}
	case !at.IsValid() || at.IsUnspecified() && at.Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), given)
	case at.IsUnspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), given)
	}
	return netip.AddrPortFrom(at, given)
}

// HEP is what hep.conf says of the copies of SIP messages that Asterisk sends.
type HEP struct {
	Installed bool   // the module for SIP is, and modules.conf does not exclude it
	Enabled   bool   // as hep.conf says; without it, Asterisk sends none
	To        string // capture_address
}

// Free reports whether Asterisk can send copies, and sends none to another program.
func (h HEP) Free() bool { return h.Installed && (!h.Enabled || h.To == "") }

func hepOf(c *astConfig, installed bool) HEP {
	h := HEP{Installed: installed}
	for _, s := range c.sections {
		if strings.EqualFold(s.name, "general") && !s.template {
			enabled := s.get("enabled")
			h.Enabled = enabled == "" || astTrue(enabled)
			h.To = s.get("capture_address")
		}
	}
	return h
}
