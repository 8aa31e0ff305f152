package hub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/document"
	"github.com/voipbl/voipbl/fleet/keys"
)

// documentSubject is that of the operator's document, which is in the same stream.
const documentSubject = "v1.doc"

const (

	// headroom is for the headers that a server adds to a message.
	headroom = 1 << 10
)

// forms are how all streams are to be.
func forms() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{form(), beatForm(), listForm()}
}

// form is how the stream of bans is to be.
func form() jetstream.StreamConfig {
	c := plainForm()
	c.Name = keys.Stream
	c.Description = "What the hosts of the fleet say of their bans: one message a slot. voipbl keeps it as it is."
	c.MaxMsgSize = document.MaxSigned + headroom // hosts send less: their credentials say so
	c.MaxConsumers = keys.MaxHosts
	c.Subjects = []string{documentSubject}
	for slot := range fleet.Slots {
		c.Subjects = append(c.Subjects, fmt.Sprintf("v1.ban.*.%x", slot))
	}
	slices.Sort(c.Subjects)
	return c
}

// beatForm is how the stream of heartbeats is to be.
func beatForm() jetstream.StreamConfig {
	c := plainForm()
	c.Name = keys.Hosts
	c.Description = "How the hosts of the fleet are: the last heartbeat of each. voipbl keeps it as it is."
	c.MaxMsgSize = beat.MaxMessage + headroom
	c.MaxConsumers = keys.MaxReaders
	c.Subjects = []string{beat.Subjects}
	return c
}

// plainForm is what all streams have in common.
func plainForm() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Retention:         jetstream.LimitsPolicy,
		Storage:           jetstream.FileStorage,
		Discard:           jetstream.DiscardOld, // of one subject: there is no other limit
		MaxMsgsPerSubject: 1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		Replicas:          1,
		NoAck:             true, // see package keys
		// The server remembers for that long what each message calls itself, up to 16 KB of it. 100 ms is the
		// least that it takes; without a time it takes two minutes, in which one host fills its memory.
		Duplicates: 100 * time.Millisecond,
		// What a host has said is replaced, never deleted: a reader would not notice that.
		DenyDelete: true,
		DenyPurge:  true,
	}
}

// differs lists how the stream of bans differs from its form, in what readers depend on: each slot once,
// nothing from elsewhere, and nothing that is lost without a newer message.
func differs(got jetstream.StreamConfig) []string {
	return differsFrom(form(), fleet.MaxMessage+headroom, got)
}

// differsFrom is that of any stream; its messages may have so many bytes at least.
func differsFrom(want jetstream.StreamConfig, least int32, got jetstream.StreamConfig) []string {
	var is []string
	add := func(different bool, format string, args ...any) {
		if different {
			is = append(is, fmt.Sprintf(format, args...))
		}
	}
	got.Subjects = slices.Sorted(slices.Values(got.Subjects))
	add(!slices.Equal(got.Subjects, want.Subjects), "subjects %s", strings.Join(got.Subjects, " "))
	add(got.MaxMsgsPerSubject != 1, "max_msgs_per_subject %d", got.MaxMsgsPerSubject)
	add(got.Discard != want.Discard || got.DiscardNewPerSubject, "discard new")
	add(got.Retention != want.Retention, "retention %s", got.Retention)
	add(got.MaxMsgs > 0 && got.MaxMsgs != want.MaxMsgs, "max_msgs %d", got.MaxMsgs)
	add(got.MaxBytes > 0 && got.MaxBytes != want.MaxBytes, "max_bytes %d", got.MaxBytes)
	add(got.MaxAge > 0, "max_age %s", got.MaxAge)
	add(got.MaxMsgSize > 0 && got.MaxMsgSize < least, "max_msg_size %d", got.MaxMsgSize)
	add(got.Sealed, "sealed")
	add(!got.NoAck, "it acknowledges messages")
	add(got.AllowRollup, "allow_rollup_hdrs")
	add(got.Mirror != nil || len(got.Sources) > 0, "it copies other streams")
	add(got.RePublish != nil, "republish")
	add(got.SubjectTransform != nil, "subject_transform")
	add(got.FirstSeq > 1, "first_seq %d", got.FirstSeq)
	return is
}

// keeps lists how a stream differs from what [Keep] makes, beside what readers depend on.
func keeps(want, got jetstream.StreamConfig) []string {
	is := differsFrom(want, 0, got)
	add := func(different bool, format string, args ...any) {
		if different {
			is = append(is, fmt.Sprintf(format, args...))
		}
	}
	add(got.MaxMsgSize != want.MaxMsgSize, "max_msg_size %d", got.MaxMsgSize)
	add(got.Storage != want.Storage, "storage %s", got.Storage)
	add(got.MaxConsumers > 0 && got.MaxConsumers < want.MaxConsumers, "max_consumers %d", got.MaxConsumers)
	add(got.MaxMsgs <= 0 && want.MaxMsgs > 0, "max_msgs %d", got.MaxMsgs)
	add(got.MaxBytes <= 0 && want.MaxBytes > 0, "max_bytes %d", got.MaxBytes)
	add(want.AllowDirect && !got.AllowDirect, "allow_direct false")
	add(got.Duplicates > want.Duplicates, "duplicate_window %s", got.Duplicates)
	add(!got.DenyDelete, "deny_delete false")
	add(!got.DenyPurge, "deny_purge false")
	return is
}

// formError is why a hub's stream is not believed.
func formError(differences []string) error {
	if len(differences) == 0 {
		return nil
	}
	return errors.New("the hub's stream " + keys.Stream + " is in another form than the fleet's, so it is not believed: " +
		strings.Join(differences, ", ") + "; \"voipbl fleet keep\" on the hub says more")
}
