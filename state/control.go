package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/voipbl/voipbl/config"
)

// The agent answers HTTP requests on a socket in the run folder, which only root can
// reach. GET /status returns an AgentStatus, GET /rules the state of the rules as the
// agent sees it, GET /config its configuration. POST /reload reloads the configuration,
// and returns a Problem if it is refused. POST /bans changes the list of bans, POST
// /phones the list of registered phones, POST /trunks that of trunks. POST /allowed applies changes to the list of
// allowed hosts, and returns a Problem if that fails.
const (
	SocketFile  = "agent.sock"
	StatusPath  = "/status"
	ConfigPath  = "/config"
	ReloadPath  = "/reload"
	AllowedPath = "/allowed"
	answerWait  = 2 * time.Second // for answers that need no work
	RequestWait = 10 * time.Second
)

// SocketPath returns a path of a socket through its open folder: the path of a socket
// is limited to 107 characters (unix(7)), that of a folder is not.
func SocketPath(folder *os.File, file string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), file)
}

func Respond(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// NoAgentError is returned if no agent is running.
type NoAgentError struct {
	Died bool // the agent has crashed or was killed
}

func (e *NoAgentError) Error() string {
	if e.Died {
		return "the agent has died"
	}
	return "no agent is running"
}

// Remedy returns what to do about it.
func (e *NoAgentError) Remedy() string {
	if e.Died {
		return "look at \"journalctl -u voipbl\", then systemctl start voipbl; sets and rules stay in force meanwhile"
	}
	return "systemctl start voipbl; without an agent every command reads the configuration anew"
}

// SilentAgentError is returned for an agent that does not answer.
type SilentAgentError struct {
	Holder string
	Wait   time.Duration // how long was waited
	Holds  []string      // locks that it holds meanwhile
	Err    error
}

func (e *SilentAgentError) Error() string {
	text := fmt.Sprintf("the agent does not answer within %s: %s", e.Wait, e.Holder)
	if e.Holds != nil {
		text += "; other commands wait for " + strings.Join(e.Holds, ", ") + ", which it holds"
	}
	return text
}

func (e *SilentAgentError) Unwrap() error { return e.Err }

// Remedy returns what to do about it.
func (e *SilentAgentError) Remedy() string {
	return "look at \"journalctl -u voipbl\"; \"systemctl restart voipbl\" keeps sets and rules in force meanwhile"
}

// AskStatus returns the agent's status, or nil if there is no agent and none has died.
func AskStatus(ctx context.Context, cfg config.Config) (*AgentStatus, error) {
	var s AgentStatus
	err := Ask(ctx, cfg, answerWait, http.MethodGet, StatusPath, &s)
	if none := (*NoAgentError)(nil); errors.As(err, &none) && !none.Died {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// Ask sends a request to the agent and reads the answer into v.
func Ask(ctx context.Context, cfg config.Config, wait time.Duration, method, path string, v any) error {
	return Tell(ctx, cfg, wait, method, path, nil, v)
}

// Tell is Ask with a request body. Before a request that may take long it checks that
// the agent answers at all, so that it does not wait for one that hangs.
func Tell(ctx context.Context, cfg config.Config, wait time.Duration, method, path string, what, v any) error {
	who, runs, err := AgentRuns(cfg)
	if err != nil {
		return err
	}
	if !runs {
		// An agent that ends normally removes its socket.
		_, err := os.Lstat(filepath.Join(cfg.RunDir, SocketFile))
		return &NoAgentError{Died: err == nil}
	}
	p := patienceOf(ctx)
	if err := p.lost(); err != nil {
		return err
	}
	defer p.begin(who)()
	quick := min(wait, answerWait)
	if wait > quick {
		err = exchange(ctx, cfg, who, quick, http.MethodGet, StatusPath, nil, new(AgentStatus))
	} else {
		err = exchange(ctx, cfg, who, quick, method, path, what, v)
	}
	if err != nil {
		if quick == answerWait {
			p.note(err)
		}
		return err
	}
	if wait == quick {
		return nil
	}
	return exchange(ctx, cfg, who, wait, method, path, what, v)
}

// request sends a request to a socket in a folder.
func request(ctx context.Context, folder *os.File, file, method, path string, what any) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", SocketPath(folder, file))
		},
	}}
	var body io.Reader
	if text, ok := what.(Plain); ok {
		body = bytes.NewReader(text)
	} else if what != nil {
		text, err := json.Marshal(what)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return nil, err
	}
	return client.Do(r)
}

// exchange sends one request and reads the answer.
func exchange(ctx context.Context, cfg config.Config, who string, wait time.Duration, method, path string, what, v any) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	folder, err := os.Open(cfg.RunDir)
	if err != nil {
		return &RunDirError{err}
	}
	defer folder.Close()
	response, err := request(ctx, folder, SocketFile, method, path, what)
	if err != nil {
		return &SilentAgentError{who, wait, heldBy(cfg.RunDir, pidOf(who)), err}
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		return &SilentAgentError{who, wait, heldBy(cfg.RunDir, pidOf(who)), err}
	}
	return nil
}
