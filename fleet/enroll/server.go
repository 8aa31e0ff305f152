package enroll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/voipbl/voipbl/fleet/keys"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/problem"
)

// serverConf is what Debian's nats-server reads.
const serverConf = "/etc/nats-server.conf"

// debianConf is the file that Debian's package brings (bookworm and trixie).
const debianConf = "host: 127.0.0.1\nport: 4222"

// serversOwn returns an error if the server's configuration is somebody else's. Its absence is nobody's.
func serversOwn(root string) error {
	now, err := read(filepath.Join(root, serverConf), maxFile)
	switch {
	case err != nil:
	case now == nil, bytes.HasPrefix(now.text, []byte(keys.Marker)), string(bytes.TrimSpace(now.text)) == debianConf:
		return nil
	default:
		err = fmt.Errorf("%s is not voipbl's, and the server of a fleet is for nothing else", serverConf)
	}
	return (&problem.Problem{Error: err.Error(), Remedy: "set the hub up on another host, or, if that server is not needed, move the file away and run the command again"}).Err()
}

// groupOf returns the id of a group of the machine below root.
func groupOf(root, name string) (int, error) {
	text, err := os.ReadFile(filepath.Join(root, "/etc/group"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Split(line, ":")
		if len(words) >= 3 && words[0] == name {
			return strconv.Atoi(words[2])
		}
	}
	return 0, errors.New("there is no group " + name)
}

// natsGroup is the group of the server's process, by Debian's package. Without the server there is none.
func natsGroup(ctx context.Context, root string) (int, error) {
	gid, err := groupOf(root, "nats")
	if err == nil && probe.New(ctx, root).Program("nats-server") == "" {
		err = errors.New("there is no program nats-server")
	}
	if err != nil {
		return 0, (&problem.Problem{Error: "the package nats-server is not installed: " + err.Error(), Remedy: "apt-get install nats-server, then run the command again"}).Err()
	}
	return gid, nil
}

// servers returns the processes of nats-server that read the configuration below root.
func servers(root string) ([]probe.Process, error) {
	conf, err := os.Stat(filepath.Join(root, serverConf))
	if err != nil {
		return nil, nil
	}
	all, err := probe.Processes()
	if err != nil {
		return nil, err
	}
	var found []probe.Process
	for _, p := range all {
		if !p.Runs("nats-server") {
			continue
		}
		for _, arg := range p.Args { // none, if it is a zombie
			name := strings.TrimPrefix(strings.TrimPrefix(arg, "--config="), "-config=")
			if !strings.HasPrefix(name, "/") {
				continue
			}
			if reads, err := os.Stat(p.Path("root" + name)); err == nil && os.SameFile(reads, conf) {
				found = append(found, p)
				break
			}
		}
	}
	return found, nil
}

// reload has the server read its accounts anew, where no systemd does: who is revoked is refused from then
// on.
func reload(root string) error {
	all, err := servers(root)
	for _, p := range all {
		err = errors.Join(err, syscall.Kill(p.PID, syscall.SIGHUP))
	}
	return err
}

// dropIn is what the server's unit needs besides Debian's: a folder for the store, as many connections as
// there are hosts, and to be started again if it ends. Root makes nothing in the folders of the server's
// user: systemd makes that one. Hosts that do not read what they ask for can make the server need much memory,
// so it has a limit: it is then started again, and the rest of the machine goes on.
const dropIn = `# Written by "voipbl fleet init". Changes are lost.
[Unit]
StartLimitIntervalSec=0

[Service]
StateDirectory=voipbl-hub
StateDirectoryMode=0700
LimitNOFILE=65536
Environment=` + keys.Environment + `
MemoryMax=60%
Restart=always
RestartSec=1
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictSUIDSGID=yes
LockPersonality=yes
`

// Where the files of the hub are.
const (
	hubFolder   = "/etc/voipbl-fleet"
	operator    = hubFolder + "/fleet.json" // everything; the other files are made from it
	pending     = hubFolder + "/pending"    // what the server is still to be told
	keeperFile  = hubFolder + "/keeper.json"
	serverKey   = hubFolder + "/tls.key"
	serverCert  = hubFolder + "/tls.crt"
	dropInFile  = "/etc/systemd/system/nats-server.service.d/voipbl.conf"
	storeFolder = "/var/lib/voipbl-hub"

	hubFolderMode = 0o755 // the server finds its key there
)
