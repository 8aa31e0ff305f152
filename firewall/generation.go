package firewall

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// From linux/netfilter/nf_tables.h and linux/netfilter/nfnetlink.h.
const (
	nfnlSubsysNFTables = 10 // NFNL_SUBSYS_NFTABLES
	nftMsgGetGen       = 16 // NFT_MSG_GETGEN
	nftaGenID          = 1  // NFTA_GEN_ID, 32 bits, big endian
	nfgenmsgLength     = 4
)

// Generation names the state of all rules of the backend in this network namespace:
// as long as it is the same, no rule has changed, whoever's it is. It costs 0.1 ms
// where a listing costs 5. On kernels that cannot tell network namespaces apart
// (before 5.14) it is empty, which says nothing.
func (fw *Firewall) Generation() string {
	if _, err := netnsCookie(); err != nil {
		return ""
	}
	if fw.Backend == Legacy {
		generation, err := legacyGeneration()
		if err != nil {
			return ""
		}
		return Kernel() + "/" + generation
	}
	generation, err := nftGeneration()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s/%d", Kernel(), generation)
}

// OtherGeneration is Generation of the other backend: of legacy iptables, or of nf_tables
// with the native tables.
func (fw *Firewall) OtherGeneration() string {
	return (&Firewall{Backend: fw.Backend.Other()}).Generation()
}

// Kernel names what the rules live in and die with: this boot and this network
// namespace. (Kernels before 5.14 cannot tell network namespaces apart.)
func Kernel() string {
	boot := Boot()
	if boot == "" {
		return ""
	}
	cookie, _ := netnsCookie()
	return fmt.Sprintf("%s/%d", boot, cookie)
}

// Boot names this boot of the host; it is empty if that cannot be told.
func Boot() string {
	boot := os.Getenv(bootEnv)
	if boot == "" {
		boot = bootID()
	}
	return strings.ReplaceAll(strings.TrimSpace(boot), "-", "")
}

// bootID is the kernel's name for this boot. A process sees one. What cannot be read, as
// without a free descriptor, is asked again.
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

// bootEnv tells the boot to whoever sees another one than the rest of the host does:
// systemd-nspawn gives a container a boot_id of its own by a mount over that file,
// and a service with a /proc of its own (ProtectProc=) does not have the mount. Our
// units set it to what their systemd goes by.
const bootEnv = "VOIPBL_BOOT_ID"

// netnsCookie is a number that no other network namespace of this boot has or
// will have (SO_NETNS_COOKIE, socket(7)).
func netnsCookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
}

func nftGeneration() (generation uint32, err error) {
	answered := false
	err = nftAsk(nftMsgGetGen, 0, func(typ uint16, value []byte) {
		if typ == nftaGenID && len(value) == 4 {
			generation, answered = binary.BigEndian.Uint32(value), true
		}
	})
	if err == nil && !answered {
		err = unix.ENODATA
	}
	return generation, err
}

// nftAsk sends a question without arguments and passes on the attributes of the
// answers.
func nftAsk(message, flags int, attribute func(typ uint16, value []byte)) error {
	req := nl.NewNetlinkRequest(nfnlSubsysNFTables<<8|message, flags)
	req.AddRawData(make([]byte, nfgenmsgLength)) // AF_UNSPEC, NFNETLINK_V0
	msgs, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		if len(m) < nfgenmsgLength {
			continue
		}
		attrs, err := nl.ParseRouteAttr(m[nfgenmsgLength:])
		if err != nil {
			return err
		}
		for _, a := range attrs {
			attribute(a.Attr.Type, a.Value)
		}
	}
	return nil
}
