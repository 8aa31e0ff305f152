package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// A room is a host with one network card: a network namespace with what packets are to meet.
type room struct {
	name               string
	place, list, shape string
	sender             sender
	sockets            []*net.UDPConn
	met, ended, heard  int // packets that were sent to the set's rule, the rule behind, a socket
}

const outside = "outside" // the namespace that packets come from

// newRoom makes a namespace and connects it with the one outside.
func newRoom(i int, place, list, shape string) (*room, error) {
	r := &room{name: fmt.Sprintf("room%d", i), place: place, list: list, shape: shape}
	card := fmt.Sprintf("to%d", i)
	for _, words := range []string{
		"ip netns add " + r.name,
		"ip link add " + card + " netns " + outside + " address 02:00:00:00:00:02 type veth peer name eth0 netns " + r.name + " address " + net.HardwareAddr(roomMAC[:]).String(),
		"ip netns exec " + r.name + " sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv6.conf.eth0.disable_ipv6=1",
		"ip netns exec " + outside + " sysctl -q -w net.ipv6.conf." + card + ".disable_ipv6=1",
		"ip -n " + r.name + " link set lo up",
		"ip -n " + r.name + " addr add " + roomAddr.String() + "/24 dev eth0",
		"ip -n " + r.name + " link set eth0 up",
		"ip -n " + outside + " link set " + card + " up",
	} {
		words := strings.Fields(words)
		if err := command(words[0], words[1:]...); err != nil {
			return nil, err
		}
	}
	return r, within(outside, func() (err error) {
		link, err := net.InterfaceByName(card)
		if err != nil {
			return err
		}
		r.sender, err = newSender(link.Index)
		return err
	})
}

// run runs a command in the room.
func (r *room) run(words ...string) ([]byte, error) {
	return output("ip", append([]string{"netns", "exec", r.name}, words...)...)
}

// furnish puts voipbl into the room, and what packets meet behind it.
func (b *bench) furnish(r *room, list string) error {
	switch r.place {
	case page.EndPrerouting, page.EndInput:
		return r.end()
	case page.NoRules:
		return r.listen()
	}
	dir := filepath.Join(b.work, r.name)
	firewall := "{drop_at: input}"
	switch r.place {
	case page.OneRule, page.Prerouting:
		firewall = "{drop_at: prerouting}"
	case page.BaseInput:
		firewall = "{drop_at: input, base: true, local_networks: [10.99.0.0/24]}"
	case page.BasePrerouting:
		firewall = "{drop_at: prerouting, base: true, local_networks: [10.99.0.0/24]}"
	}
	extra := "auto"
	if r.shape == page.Unshaped {
		extra = "0"
	}
	config := fmt.Sprintf("state_dir: %[1]s/state\nrun_dir: %[1]s/run\nfeeds: [{name: list, path: %[2]s}]\nfirewall: %[3]s\nshape: {extra_entries: %[4]s}\n", dir, list, firewall, extra)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, "voipbl.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return err
	}
	if _, err := r.run(b.program, "--config", file, "sync"); err != nil {
		return err
	}
	switch r.place {
	case page.BaseInput, page.BasePrerouting:
		return r.listen()
	case page.OneRule:
		for _, words := range []string{"iptables -t raw -F PREROUTING", "iptables -t raw -A PREROUTING -m set --match-set voip_bl src -j DROP"} {
			if _, err := r.run(strings.Fields(words)...); err != nil {
				return err
			}
		}
	}
	return r.end()
}

// end has every packet dropped that no rule before has dropped.
func (r *room) end() error {
	table, chain := "raw", "PREROUTING"
	if r.place == page.Input || r.place == page.EndInput {
		table, chain = "filter", "INPUT"
	}
	_, err := r.run("iptables", "-t", table, "-A", chain, "-j", "DROP")
	return err
}

// listen opens the sockets that packets end at. Nobody reads them, so they are soon full.
func (r *room) listen() error {
	return within(r.name, func() error {
		for _, port := range []int{sipPort, rtpPort} {
			s, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
			if err != nil {
				return err
			}
			if err := s.SetReadBuffer(0); err != nil { // the smallest
				return err
			}
			r.sockets = append(r.sockets, s)
		}
		return nil
	})
}

// check compares what the kernel has counted with what was sent. Few packets wait in a socket uncounted,
// and few pass the limits.
func (r *room) check() error {
	saved, err := r.run("iptables-save", "-c")
	if err != nil {
		return err
	}
	met, ended := counted(string(saved), "--match-set voip_bl src "), counted(string(saved), "-A PREROUTING -j DROP")+counted(string(saved), "-A INPUT -j DROP")
	heard, err := r.udp()
	if err != nil {
		return err
	}
	if met != r.met || ended != r.ended || heard < r.heard-r.heard/50 || heard > r.heard+r.heard/50 {
		return fmt.Errorf("%s, %s, %s: %d packets met the set's rule (not %d), %d the rule behind (not %d), %d a socket (not %d)\n%s",
			r.place, r.list, r.shape, met, r.met, ended, r.ended, heard, r.heard, saved)
	}
	return nil
}

// counted is how many packets have met rules with a text.
func counted(saved, text string) (n int) {
	for line := range strings.Lines(saved) {
		var packets int
		if _, err := fmt.Sscanf(line, "[%d:", &packets); err == nil && strings.Contains(line, text) {
			n += packets
		}
	}
	return n
}

// udp is how many packets have come to a socket, full or not.
func (r *room) udp() (n int, err error) {
	text, err := r.run("cat", "/proc/net/snmp")
	if err != nil {
		return 0, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case words[0] != "Udp:":
		case names == nil:
			names = words
		default:
			for i, name := range names {
				if name == "InDatagrams" || name == "RcvbufErrors" {
					value, err := strconv.Atoi(words[i])
					if err != nil {
						return 0, err
					}
					n += value
				}
			}
		}
	}
	return n, nil
}
