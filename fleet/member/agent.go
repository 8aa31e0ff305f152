package member

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/link"
	"github.com/voipbl/voipbl/state"
)

// Agent is the side of the agent.
type Agent interface {
	// Settings returns what to do now.
	Settings(ctx context.Context) (link.Settings, error)

	// Changed waits until something is not as it was seen, or for a while, and returns how it is then.
	Changed(ctx context.Context, had link.Seen) (link.Seen, error)

	// Own returns this host's bans that others may know of.
	Own(ctx context.Context) (link.Own, error)

	// Held calls each with the bans of others that are in force. After an error, they may not be all.
	Held(ctx context.Context, each func(link.Ban)) error

	// Others changes bans of others. After an error, some of it may be done.
	Others(ctx context.Context, what link.Others) (link.Answer, error)

	// Document passes the operator's document on.
	Document(ctx context.Context, d link.Document) (link.DocumentAnswer, error)

	// Beat returns what the agent knows of this host's heartbeat.
	Beat(ctx context.Context) (beat.Beat, error)

	// Lists returns what to look for among lists from the network, and those of this host's own.
	Lists(ctx context.Context, q link.ListsQuestion) (link.ListsAsked, error)

	// Offers tells what mirrors say of lists.
	Offers(ctx context.Context, o link.Offers) error

	// Mine returns a list of this host's own, compressed.
	Mine(ctx context.Context, q link.ListQuestion) ([]byte, error)

	// Copy gives the copy with that SHA-256, compressed; nil if it is not to be had.
	Copy(ctx context.Context, sum string, text []byte) error

	// Health tells how this process is.
	Health(ctx context.Context, h link.Health) error
}

// answerWait is how long the agent may take: it may wait for another process that changes bans.
const answerWait = 10 * time.Second

// Socket is the agent, by its socket in the run folder.
type Socket struct{ RunDir string }

// Settings asks for the settings.
func (s *Socket) Settings(ctx context.Context) (now link.Settings, err error) {
	err = s.tell(ctx, link.SettingsPath, answerWait, nil, &now)
	return now, err
}

// Changed waits for a change.
func (s *Socket) Changed(ctx context.Context, had link.Seen) (now link.Seen, err error) {
	err = s.tell(ctx, link.ChangePath, link.ChangeWait+answerWait, had, &now)
	return now, err
}

// Own asks for this host's bans.
func (s *Socket) Own(ctx context.Context) (now link.Own, err error) {
	err = s.tell(ctx, link.OwnPath, answerWait, nil, &now)
	return now, err
}

// Held asks for the bans of others.
func (s *Socket) Held(ctx context.Context, each func(link.Ban)) error {
	return state.ReadFleet(ctx, s.RunDir, link.HeldPath, answerWait, func(answer io.Reader) error { return link.EachHeld(answer, each) })
}

// Others has bans of others made and taken back.
func (s *Socket) Others(ctx context.Context, what link.Others) (a link.Answer, err error) {
	err = s.tell(ctx, link.OthersPath, answerWait, what, &a)
	return a, err
}

// Document passes the operator's document on.
func (s *Socket) Document(ctx context.Context, d link.Document) (a link.DocumentAnswer, err error) {
	err = s.tell(ctx, link.DocumentPath, answerWait, d, &a)
	return a, err
}

// Beat asks for a heartbeat.
func (s *Socket) Beat(ctx context.Context) (b beat.Beat, err error) {
	err = s.tell(ctx, link.BeatPath, answerWait, nil, &b)
	return b, err
}

// Health tells how this process is.
func (s *Socket) Health(ctx context.Context, h link.Health) error {
	return s.tell(ctx, link.HealthPath, answerWait, h, new(struct{}))
}

// Lists asks what to look for.
func (s *Socket) Lists(ctx context.Context, q link.ListsQuestion) (a link.ListsAsked, err error) {
	err = s.tell(ctx, link.ListsPath, answerWait, q, &a)
	return a, err
}

// Offers tells what mirrors say.
func (s *Socket) Offers(ctx context.Context, o link.Offers) error {
	return s.tell(ctx, link.OffersPath, answerWait, o, new(struct{}))
}

// copyWait is how long a list may take from one process to the other.
const copyWait = time.Minute

// Mine asks for a list of this host's own.
func (s *Socket) Mine(ctx context.Context, q link.ListQuestion) (text []byte, err error) {
	err = state.AskFleet(ctx, s.RunDir, link.MinePath, copyWait, q, func(answer io.Reader) (err error) {
		text, err = io.ReadAll(io.LimitReader(answer, link.MaxCopy+1))
		return err
	})
	if err == nil && len(text) > link.MaxCopy {
		return nil, fmt.Errorf("a list has more than %d bytes when compressed, so it does not go by the fleet", link.MaxCopy)
	}
	return text, err
}

// Copy gives a copy.
func (s *Socket) Copy(ctx context.Context, sum string, text []byte) error {
	return s.tell(ctx, link.CopyPath+sum, 2*copyWait, state.Plain(text), new(struct{}))
}

func (s *Socket) tell(ctx context.Context, path string, wait time.Duration, what, answer any) error {
	return state.TellFleet(ctx, s.RunDir, path, wait, what, answer)
}
