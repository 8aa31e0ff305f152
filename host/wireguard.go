package host

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// wireguardPort asks the kernel for the UDP port of a WireGuard device (uapi linux/wireguard.h). No
// process has its socket open, and the port may be any.
func wireguardPort(device string) (uint16, error) {
	family, err := netlink.GenlFamilyGet(unix.WG_GENL_NAME)
	if err != nil {
		return 0, fmt.Errorf("wireguard: %w", err)
	}
	req := nl.NewNetlinkRequest(int(family.ID), unix.NLM_F_DUMP)
	req.AddData(&nl.Genlmsg{Command: unix.WG_CMD_GET_DEVICE, Version: unix.WG_GENL_VERSION})
	req.AddData(nl.NewRtAttr(unix.WGDEVICE_A_IFNAME, nl.ZeroTerminated(device)))
	answers, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return 0, fmt.Errorf("wireguard %s: %w", device, err)
	}
	for _, answer := range answers {
		if port, err := parseWireguard(answer); err != nil || port > 0 {
			return port, err
		}
	}
	return 0, nil
}

// genlHeader is the length of struct genlmsghdr.
const genlHeader = 4

// parseWireguard finds the port in an answer. For a device with many peers the kernel sends several
// answers, and the first one has the port.
func parseWireguard(answer []byte) (uint16, error) {
	if len(answer) < genlHeader {
		return 0, errors.New("wireguard: an answer that is too short")
	}
	attrs, err := nl.ParseRouteAttr(answer[genlHeader:])
	if err != nil {
		return 0, fmt.Errorf("wireguard: %w", err)
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.WGDEVICE_A_LISTEN_PORT && len(a.Value) >= 2 {
			return binary.NativeEndian.Uint16(a.Value), nil
		}
	}
	return 0, nil
}
