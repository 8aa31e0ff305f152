package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/internal/quota"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/state"
)

// This file is the socket for the process that watches the PBX, which reads what strangers send: see
// [state.PBXSocket]. Whatever comes from there is checked as if a stranger had sent it, and costs
// little time and memory. It cannot keep anybody else from the agent.

const (
	// mostOfPBX is how many connections this socket has at a time. The process needs two.
	mostOfPBX = 4

	// pbxReadWait is how long a request may take to arrive, and pbxIdle how long a connection may
	// have none.
	pbxReadWait = 5 * time.Second
	pbxIdle     = 5 * time.Minute

	// mostPhoneRequests is how many requests about phones are answered in a minute, and at once
	// after a quiet time: each reads and writes the whole list.
	mostPhoneRequests = 120

	// mostTrunkRequests is the same about trunks: the PBX registers when it begins, and when its
	// configuration changes.
	mostTrunkRequests = 12

	// mostTooMany is how many warnings in an hour say that the process asks for too many bans, and
	// mostSpread how many that an account is registered from many addresses.
	mostTooMany = 6
	mostSpread  = 60
)

// listenToPBX creates the socket for the process that watches the PBX.
func (d *daemon) listenToPBX(banned *bans.Server, attackers *attackers, phones *known.Server) (*control, error) {
	listener, folder, err := d.listenAt(state.PBXSocket)
	if err != nil {
		return nil, err
	}
	if err := letIn(state.SocketPath(folder, state.PBXSocket), state.PBXGroup); err != nil {
		d.log.Warn("only root can tell the agent what the PBX sees", "error", err)
	}
	warn := d.seldom(mostTooMany, time.Hour)
	seen := bans.NewSeenServer(banned, func() {
		warn("what watches the PBX asks for too many bans: those above the limit are refused")
	}, attackers.banned)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+link.SettingsPath, d.giveSettings)
	mux.HandleFunc("POST "+link.HealthPath, d.takeHealth)
	mux.HandleFunc("POST "+link.ChangePath, d.awaitChange)
	mux.HandleFunc("POST "+bans.SeenPath, seen.Serve)
	mux.HandleFunc("POST "+known.Path, fewer(&quota.Quota{Most: mostPhoneRequests, Per: time.Minute}, phones.Serve))
	mux.HandleFunc("POST "+known.TrunksPath, fewer(&quota.Quota{Most: mostTrunkRequests, Per: time.Minute}, phones.ServeTrunks))
	server := &http.Server{
		Handler: mux, MaxHeaderBytes: 4 << 10,
		ReadTimeout: pbxReadWait, WriteTimeout: state.RequestWait, IdleTimeout: pbxIdle,
	}
	return &control{server, limited(listener, mostOfPBX), folder}, nil
}

// seldom returns a function that logs warnings, at most so many in a time.
func (d *daemon) seldom(most int, per time.Duration) func(words string) {
	var mu sync.Mutex
	q := quota.Quota{Most: most, Per: per}
	return func(words string) {
		mu.Lock()
		defer mu.Unlock()
		if q.Take(1, time.Now()) == 1 {
			d.log.Warn(words)
		}
	}
}

// fewer answers only as many requests as a quota allows.
func fewer(q *quota.Quota, serve http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n := q.Take(1, time.Now())
		mu.Unlock()
		if n == 0 {
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		serve(w, r)
	}
}

// letIn lets the members of a group connect to a socket, if there is such a group. The agent has not
// the right to give its files to another group (CAP_CHOWN), but the owner of a file may write its
// access control list (acl(5)).
func letIn(socket, group string) error {
	g, err := user.LookupGroup(group)
	if errors.As(err, new(user.UnknownGroupError)) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := strconv.ParseUint(g.Gid, 10, 32)
	if err != nil {
		return err
	}
	if err := unix.Setxattr(socket, "system.posix_acl_access", groupACL(uint32(id)), 0); err != nil {
		return fmt.Errorf("the group %s cannot be let in to %s: %w", group, filepath.Base(socket), err)
	}
	return nil
}

// groupACL returns the access control list, as the kernel reads it (linux/posix_acl_xattr.h), that
// lets the owner and one group read and write, and nobody else.
func groupACL(group uint32) []byte {
	const (
		version                                = 2
		userObj, groupObj, aGroup, mask, other = 0x01, 0x04, 0x08, 0x10, 0x20
		none, readWrite                        = 0, 6
		nobody                                 = 1<<32 - 1
	)
	b := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{userObj, readWrite, nobody}, {groupObj, none, nobody}, {aGroup, readWrite, group}, {mask, readWrite, nobody}, {other, none, nobody}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// listenAt creates a socket in the run folder, to which only this user can connect. The caller holds
// the agent's lock, so an existing socket was left by a killed agent.
func (d *daemon) listenAt(file string) (net.Listener, *os.File, error) {
	folder, err := os.Open(d.cfg.RunDir)
	if err != nil {
		return nil, nil, &state.RunDirError{Err: err}
	}
	path := state.SocketPath(folder, file)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		folder.Close()
		return nil, nil, &state.RunDirError{Err: err}
	}
	old := unix.Umask(0o177) // so that from the start only this user can connect
	listener, err := net.Listen("unix", path)
	unix.Umask(old)
	if err != nil {
		folder.Close()
		return nil, nil, &state.RunDirError{Err: err}
	}
	return listener, folder, nil
}
