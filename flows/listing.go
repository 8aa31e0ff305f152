package flows

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// mostFlows is how many flows of a listing are looked at: four times what the kernel tracks at most, by
// its default, on the largest hosts (nf_conntrack_core.c).
const mostFlows = 1 << 20

// answerTimeout is how long the kernel may take for a part of a listing.
var answerTimeout = unix.Timeval{Sec: 10}

// listing is a listing of the kernel that is not read yet. The zero value has nothing.
type listing struct {
	what   string
	socket *nl.NetlinkSocket
	family int
	reqs   []*nl.NetlinkRequest
	parse  func(msg []byte, see func(Flow)) error
}

// open prepares a listing. It is of the network namespace of the calling thread, whichever thread reads
// it later.
func open(what string, family int, parse func([]byte, func(Flow)) error, reqs ...*nl.NetlinkRequest) (listing, error) {
	socket, err := nl.Subscribe(family)
	if err != nil {
		return listing{}, fmt.Errorf("%s: %w", what, err)
	}
	if err := socket.SetReceiveTimeout(&answerTimeout); err != nil {
		socket.Close()
		return listing{}, fmt.Errorf("%s: %w", what, err)
	}
	for _, req := range reqs {
		req.Sockets = map[int]*nl.SocketHandle{family: {Socket: socket}}
	}
	return listing{what, socket, family, reqs, parse}, nil
}

// read calls see with each flow, and closes the listing.
func (l listing) read(see func(Flow)) error {
	if l.socket == nil {
		return nil
	}
	defer l.socket.Close()
	looked := 0
	var trouble error
	for _, req := range l.reqs {
		err := req.ExecuteIter(l.family, 0, func(msg []byte) bool {
			if looked++; looked > mostFlows {
				trouble = fmt.Errorf("only %d were looked at", mostFlows)
				return false
			}
			if err := l.parse(msg, see); err != nil {
				trouble = err
			}
			return true
		})
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			trouble = err
		}
	}
	if trouble != nil {
		return fmt.Errorf("%s: %w", l.what, trouble)
	}
	return nil
}
