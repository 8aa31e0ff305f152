package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/internal/keptsocket"
	"github.com/voipbl/voipbl/internal/procself"
	"github.com/voipbl/voipbl/iptables"
)

// From linux/netfilter/nf_tables.h and linux/netfilter/nfnetlink.h.
const (
	nfnlSubsysNFTables = 10 // NFNL_SUBSYS_NFTABLES
	nftMsgGetTable     = 1  // NFT_MSG_GETTABLE
	nftMsgGetGen       = 16 // NFT_MSG_GETGEN
	nftaGenID          = 1  // NFTA_GEN_ID, 32 bits, big endian
	nfgenmsgLength     = 4
)

// Generation identifies the state of all rules of the backend in this network namespace: as long
// as it is the same, nobody has changed a rule. It takes 0.1 ms, a listing 5. It is empty on
// kernels that cannot tell network namespaces apart (before 5.14), which says nothing.
func (fw *Firewall) Generation() string {
	all, _ := fw.generations()
	return all
}

// generations returns Generation, and the kernel's own number of it with nf_tables, which is 0 if it
// is not known.
func (fw *Firewall) generations() (all string, nft uint32) {
	cookie, unknown := netnsCookie()
	var own string
	var err error
	switch {
	case fw.Backend != Legacy:
		nft, err = nftGeneration()
		own = fmt.Sprint(nft)
	case unknown == nil:
		own, err = legacyGeneration() // it reads all tables
	}
	if err != nil || unknown != nil {
		return "", nft
	}
	return kernel(cookie) + "/" + own, nft
}

// OtherGeneration is Generation for the other backend: legacy iptables, or nf_tables with its
// native tables.
func (fw *Firewall) OtherGeneration() string {
	return (&Firewall{Backend: fw.Backend.Other()}).Generation()
}

// Kernel identifies this boot and this network namespace, with which the rules vanish.
// (Kernels before 5.14 cannot tell network namespaces apart.)
func Kernel() string {
	cookie, _ := netnsCookie()
	return kernel(cookie)
}

// kernel is Kernel, by the number of the network namespace.
func kernel(cookie uint64) string {
	boot := Boot()
	if boot == "" {
		return ""
	}
	return fmt.Sprintf("%s/%d", boot, cookie)
}

// Boot identifies this boot of the host; it is empty if that is not known.
func Boot() string {
	boot := os.Getenv(bootEnv)
	if boot == "" {
		boot = bootID()
	}
	return strings.ReplaceAll(strings.TrimSpace(boot), "-", "")
}

// bootID returns the kernel's ID of this boot, which does not change while the process runs. If
// it cannot be read, for want of a descriptor say, the next call tries again.
func bootID() string {
	if id := knownBoot.Load(); id != nil {
		return *id
	}
	text, err := os.ReadFile(bootFile)
	if err != nil || len(text) == 0 {
		return ""
	}
	id := string(text)
	knownBoot.Store(&id)
	return id
}

const bootFile = "/proc/sys/kernel/random/boot_id"

var knownBoot atomic.Pointer[string]

// bootEnv passes on the boot ID to a process that sees another one than the rest of the host:
// systemd-nspawn gives a container its own boot_id by a mount over that file, and a service with
// its own /proc (ProtectProc=) does not have the mount. voipbl's units set it to the ID that their
// systemd uses.
const bootEnv = "VOIPBL_BOOT_ID"

// netnsCookie returns a number that no other network namespace of this boot has or will have. It is
// asked for once.
func netnsCookie() (uint64, error) {
	if known := knownCookie.Load(); known != 0 && procself.OneNamespace() {
		return known, nil
	}
	cookie, err := askCookie()
	knownCookie.Store(cookie)
	return cookie, err
}

var knownCookie atomic.Uint64 // 0 if it is not known: the kernel begins with 1

// askCookie is netnsCookie by a new socket (SO_NETNS_COOKIE, socket(7)).
func askCookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
}

func nftGeneration() (generation uint32, err error) {
	answered := false
	err = nftAsk(nftMsgGetGen, unix.NLM_F_ACK, unix.AF_UNSPEC, func(typ uint16, value []byte) {
		if typ == nftaGenID && len(value) == 4 {
			generation, answered = binary.BigEndian.Uint32(value), true
		}
	})
	if err == nil && !answered {
		err = unix.ENODATA
	}
	return generation, err
}

// nftEmpty reports whether the kernel certainly has no table of nf_tables of a family.
func nftEmpty(f iptables.Family) bool {
	found := false
	err := nftAsk(nftMsgGetTable, unix.NLM_F_DUMP, [...]byte{unix.AF_INET, unix.AF_INET6}[f], func(uint16, []byte) { found = true })
	return err == nil && !found
}

const (
	// nftWait limits the wait for an answer, which is there when send returns.
	nftWait = 10 * time.Second

	nftBuffer = 32 << 10 // for an answer; the kernel's pieces of a listing are no longer
)

// nftSockets do not belong to Go's poller, which would cost several times as much as the question.
var nftSockets = keptsocket.Kept[int]{Open: openNFT, Close: closeSocket}

func openNFT() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, err
	}
	wait := unix.NsecToTimeval(nftWait.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func closeSocket(fd int) { unix.Close(fd) }

// nftAsk sends a request without arguments and passes the attributes of each answer on. flags say
// how the answers end: NLM_F_ACK or NLM_F_DUMP.
func nftAsk(message, flags int, family byte, attribute func(typ uint16, value []byte)) error {
	return nftSockets.Use(func(fd int) error { return nftAskBy(fd, message, flags, family, attribute) })
}

func nftAskBy(fd, message, flags int, family byte, attribute func(typ uint16, value []byte)) error {
	req := nl.NewNetlinkRequest(nfnlSubsysNFTables<<8|message, flags)
	req.AddRawData(append([]byte{family}, make([]byte, nfgenmsgLength-1)...)) // NFNETLINK_V0
	if err := unix.Sendto(fd, req.Serialize(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, nftBuffer)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != nl.PidKernel {
			continue
		}
		msgs, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return err
		}
		for _, m := range msgs {
			switch {
			case m.Header.Seq != req.Seq: // the answer to an earlier one
				continue
			case m.Header.Flags&unix.NLM_F_DUMP_INTR != 0:
				return nl.ErrDumpInterrupted
			case m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4:
				if errno := int32(binary.NativeEndian.Uint32(m.Data)); errno != 0 {
					return unix.Errno(-errno)
				}
				return nil
			case m.Header.Type == unix.NLMSG_DONE:
				return nil
			case len(m.Data) < nfgenmsgLength:
				continue
			}
			attrs, err := nl.ParseRouteAttr(m.Data[nfgenmsgLength:])
			if err != nil {
				return err
			}
			for _, a := range attrs {
				attribute(a.Attr.Type, a.Value)
			}
		}
	}
}
