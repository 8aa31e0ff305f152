package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet/keys"
)

const (
	// mostEnded is how many readers are ended at one look. To end one costs the hub about as much as to make one, and
	// hosts that come meanwhile wait.
	mostEnded = 1000

	// readersEvery is after how many looks the keeper looks at the readers again, beside the first one of a connection and
	// those after it has found mostEnded: of 20,000, a list takes the hub of Debian 12 two seconds.
	readersEvery = 10
)

// stays reports whether the hub keeps a reader that nobody uses: by a name for ever, for longer than hosts ask for, or
// one that sends by itself. No host makes such a one, of this version or an earlier one, so whoever has is a thief of a
// host's key, or of a relay's, and the reader would be there when the thief is cut off.
func stays(c jetstream.ConsumerConfig) bool {
	return c.Durable != "" || c.DeliverSubject != "" || c.InactiveThreshold < 0 || c.InactiveThreshold > inactive
}

// endReaders ends readers of the stream of bans that would stay, and notes that in the stream's description. It returns
// how many it has found.
func (k *keeper) endReaders(ctx context.Context, js jetstream.JetStream) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, attachIn)
	defer cancel()
	found, err := staying(ctx, js, k.most)
	if err != nil {
		return 0, err
	}
	e := Ended{At: time.Now()}
	for _, name := range found {
		switch is, err := stillStays(ctx, js, name); {
		case err != nil:
			return len(found), err
		case !is: // its host has made it anew
			continue
		}
		if err := js.DeleteConsumer(ctx, keys.Stream, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return len(found), asked("to end a reader", err)
		}
		e.Readers, e.Key = e.Readers+1, name
	}
	if e.Readers == 0 {
		k.ending = false
		return len(found), nil
	}
	if !k.ending { // once, not each minute while somebody goes on
		k.Log.Warn("readers of the stream of bans that no host makes are ended; somebody has the key of a host or of a relay", "readers", e.Readers, "key", e.Key)
	}
	k.ending = true
	return len(found), note(ctx, js, e)
}

// staying are readers that would stay, most at most.
func staying(ctx context.Context, js jetstream.JetStream, most int) (names []string, err error) {
	stream, err := js.Stream(ctx, keys.Stream)
	if err != nil {
		return nil, asked("about its stream", err)
	}
	listing, cancel := context.WithCancel(ctx)
	list := stream.ListConsumers(listing)
	for info := range list.Info() { // to its end: else the library waits
		if len(names) < most && stays(info.Config) {
			names = append(names, info.Name)
		}
		if len(names) == most {
			cancel()
		}
	}
	cancel()
	if err := list.Err(); err != nil && len(names) < most {
		return nil, asked("for its readers", err)
	}
	return names, nil
}

// stillStays looks at one of them once more.
func stillStays(ctx context.Context, js jetstream.JetStream, name string) (bool, error) {
	c, err := js.Consumer(ctx, keys.Stream, name)
	switch {
	case err == nil:
		return stays(c.CachedInfo().Config), nil
	case errors.Is(err, jetstream.ErrNotPullConsumer):
		return true, nil
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return false, nil
	}
	return false, asked("about a reader", err)
}

// Ended is what the keeper has noted of readers that it has ended.
type Ended struct {
	Readers int
	Key     string    // what the last of them was called: the public key of a host
	At      time.Time // by the clock of the hub
}

// In the description of the stream, behind what it says otherwise.
const endedNote = "Last readers ended: "

// note notes it where the operator sees it, also when the keeper was started anew.
func note(ctx context.Context, js jetstream.JetStream, e Ended) error {
	noted := form()
	noted.Description += fmt.Sprintf(" %s%d %s %s", endedNote, e.Readers, e.At.UTC().Format(time.RFC3339), e.Key)
	if _, err := js.UpdateStream(ctx, noted); err != nil {
		return asked("to note which readers were ended", err)
	}
	return nil
}

// endedOf is what a description says of that; zero if nothing.
func endedOf(description string) (e Ended) {
	_, text, is := strings.Cut(description, endedNote)
	words := strings.Fields(text)
	if !is || len(words) != 3 {
		return Ended{}
	}
	at, err := time.Parse(time.RFC3339, words[1])
	if _, wrong := fmt.Sscan(words[0], &e.Readers); wrong != nil || err != nil {
		return Ended{}
	}
	e.At, e.Key = at, words[2]
	return e
}
