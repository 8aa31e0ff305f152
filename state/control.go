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
	"time"

	"github.com/voipbl/voipbl/config"
)

// The agent answers on a socket in the run folder, which only root can reach: a GET
// of /status gives an AgentStatus, one of /rules what the agent makes of the rules, one of
// /config what it goes by. A POST to /reload reloads the configuration and gives the
// Problem if it is refused. A POST to /bans changes the list of bans. A POST to /allowed
// puts in force what has changed on the list of allowed hosts, and gives the Problem if
// it cannot.
const (
	SocketFile  = "agent.sock"
	StatusPath  = "/status"
	ConfigPath  = "/config"
	ReloadPath  = "/reload"
	AllowedPath = "/allowed"
	answerWait  = 2 * time.Second // for what needs no work
	RequestWait = 10 * time.Second
)

// SocketPath reaches the socket by an open folder: the path of a socket has 107
// characters at most (unix(7)), and that of a folder may have more.
func SocketPath(folder *os.File) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), SocketFile)
}

func Respond(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

// NoAgentError is there being no agent to ask.
type NoAgentError struct {
	Died bool // one was there, and has ended without being told to
}

func (e *NoAgentError) Error() string {
	if e.Died {
		return "the agent has died"
	}
	return "no agent is running"
}

// Remedy says what to do about it.
func (e *NoAgentError) Remedy() string {
	if e.Died {
		return "look at \"journalctl -u voipbl\", then systemctl start voipbl; sets and rules stay in force meanwhile"
	}
	return "systemctl start voipbl; without an agent every command reads the configuration anew"
}

// SilentAgentError is an agent that does not answer.
type SilentAgentError struct {
	Holder string
	Wait   time.Duration // for an answer
	Err    error
}

func (e *SilentAgentError) Error() string {
	return fmt.Sprintf("the agent does not answer within %s: %s", e.Wait, e.Holder)
}

func (e *SilentAgentError) Unwrap() error { return e.Err }

// Remedy says what to do about it.
func (e *SilentAgentError) Remedy() string {
	return "look at \"journalctl -u voipbl\"; \"systemctl restart voipbl\" keeps sets and rules in force meanwhile"
}

// AskStatus asks the agent how it is. If none is to be expected it returns nil.
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

// Ask asks on the socket and reads the answer into v.
func Ask(ctx context.Context, cfg config.Config, wait time.Duration, method, path string, v any) error {
	return Tell(ctx, cfg, wait, method, path, nil, v)
}

// Tell is askAgent with something to tell. What may take long is asked only of an agent
// that answers what needs no work: one that hangs is not waited for.
func Tell(ctx context.Context, cfg config.Config, wait time.Duration, method, path string, what, v any) error {
	who, runs, err := AgentRuns(cfg)
	if err != nil {
		return err
	}
	if !runs {
		// One that ends as it should takes its socket away.
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

// exchange is one question and its answer.
func exchange(ctx context.Context, cfg config.Config, who string, wait time.Duration, method, path string, what, v any) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	folder, err := os.Open(cfg.RunDir)
	if err != nil {
		return &RunDirError{err}
	}
	defer folder.Close()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", SocketPath(folder))
		},
	}}
	var body io.Reader
	if what != nil {
		text, err := json.Marshal(what)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return &SilentAgentError{who, wait, err}
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		return &SilentAgentError{who, wait, err}
	}
	return nil
}
