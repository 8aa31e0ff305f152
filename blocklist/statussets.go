package blocklist

import (
	"context"

	"github.com/voipbl/voipbl/cidr"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/ipsetsync"
	"github.com/voipbl/voipbl/setnames"
	"github.com/voipbl/voipbl/state"
)

// setReader finds out what the status says of a set, if the kernel has it.
type setReader interface {
	// list reads a set of the lists; print is what voipbl last put into it.
	list(name string, f cidr.Family, print state.SetPrint) (SetStatus, error)

	bans(name string, f cidr.Family) (SetStatus, error)
}

// wholeSets reads all entries.
type wholeSets struct{ *ipsetsync.Kernel }

func (k wholeSets) list(name string, f cidr.Family, print state.SetPrint) (SetStatus, error) {
	s := noSet(name)
	c, err := k.Content(name)
	if err != nil {
		return s, err
	}
	s.has(c.Header)
	s.holds(c)
	s.Ours = ipsetsync.IsOurs(c.Header, f)
	s.Changed = s.Ours && print.Name == name && print.Study(c) != ""
	s.unknown = print.Name != name || print.Unfilled
	switch {
	case !s.Ours || c.Elements == 0:
		return s, nil
	case print.Name == name && !s.Changed && len(print.OwnLengths) > 0:
		s.Entries, s.Lengths = print.Own, print.OwnLengths
		return s, nil
	}
	// Somebody has changed the set, so join what it holds. That takes memory for each entry.
	live, err := k.Dump(name)
	if err == nil && live.Join() {
		s.Entries, s.Lengths = len(live.Prefixes), cidr.WhichLengths(live.Lengths())
	}
	return s, err
}

func (k wholeSets) bans(name string, f cidr.Family) (SetStatus, error) {
	s := noSet(name)
	c, err := k.Content(name)
	if err != nil {
		return s, err
	}
	s.has(c.Header)
	s.holds(c)
	s.Ours = ipsetsync.CheckBanSet(c.Header, f) == nil
	return s, nil
}

// noSet is the status of a set that the kernel does not have.
func noSet(name string) SetStatus {
	return SetStatus{Name: name, Lengths: []int{}, KernelLengths: []int{}}
}

// has notes a set's header.
func (s *SetStatus) has(h ipsetsync.Header) {
	s.Exists, s.Type = true, h.Type
	s.Entries, s.KernelEntries = int(h.Elements), int(h.Elements)
	s.Memory, s.References = int64(h.Memory), int(h.References)
}

// holds notes a set's entries.
func (s *SetStatus) holds(c *ipsetsync.Content) {
	s.KernelLengths = cidr.WhichLengths(c.Lengths)
	s.Lengths = s.KernelLengths
	s.Packets, s.Bytes = c.Packets, c.Bytes
}

// noteUsers finds out what uses a set that somebody else made.
func (s *SetStatus) noteUsers(ctx context.Context, kernel *ipsetsync.Kernel) {
	if s.Exists && !s.Ours && s.References > 0 {
		s.users = setnames.OtherUsers(kernel, firewall.ReadUsers(ctx), s.Name)
	}
}
