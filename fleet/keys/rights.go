package keys

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"

	"github.com/voipbl/voipbl/fleet"
	"github.com/voipbl/voipbl/fleet/beat"
	"github.com/voipbl/voipbl/fleet/link"
)

// Names at the hub.
const (
	Stream = "FLEET" // the stream of all hosts' bans
	Hosts  = "HOSTS" // that of their heartbeats, which only the operator reads

	// Lists is the stream of the lists from the network that mirrors have fetched for all hosts.
	Lists = "LISTS"

	// APIPrefix is what hosts put before JetStream's requests, in place of "$JS.API".
	APIPrefix = "fleet.api"

	jsAPI = "$JS.API"

	// ReaderRequests is what the subjects begin with at which the keeper gets the requests of hosts for a
	// consumer; the host's public key follows. See keeperRights.
	ReaderRequests = "keep.reader."
)

// Inbox returns the prefix of the subjects at which a user gets answers: no other user may listen there.
func Inbox(user string) string { return "_INBOX." + user }

// streams are all of them.
var streams = []string{Stream, Hosts, Lists}

// Limits of one connection of a host.
const (
	// hostSubs: a client library needs one for answers and a few for pulls.
	hostSubs = 10
	// MaxHosts is how many consumers the stream may have, and how many connections hosts.
	MaxHosts = 20000

	// ownConnections are kept for the keeper and the operator: hosts that take all others must not keep
	// out who revokes them.
	ownConnections = 100

	// MaxReaders is how many consumers the stream of heartbeats may have: one for each "voipbl fleet status"
	// that runs, or was killed a moment ago.
	MaxReaders = 100
)

// hostRights are those of every host, in the words of the server's templates: {{name()}} is the
// host's name and {{subject()}} its public key, both of its signed credential, so that nobody can
// choose them.
func hostRights() jwt.UserPermissionLimits {
	// Its own slots, and no other subject below its name.
	publish := jwt.StringList{}
	for slot := range fleet.Slots {
		publish.Add(fmt.Sprintf("v1.ban.{{name()}}.%x", slot))
	}
	// Its own heartbeat. It reads none.
	publish.Add(beat.Subject("{{name()}}"))
	// How the stream is made, where it begins and ends.
	publish.Add(APIPrefix + ".STREAM.INFO." + Stream)
	// A consumer that has the host's public key as its name, which others do not know: an answer that
	// the server can be made to send as a request for another's consumer would find none.
	publish.Add(APIPrefix + ".CONSUMER.CREATE." + Stream + ".{{subject()}}")
	publish.Add(APIPrefix + ".CONSUMER.DELETE." + Stream + ".{{subject()}}")
	publish.Add(APIPrefix + ".CONSUMER.MSG.NEXT." + Stream + ".{{subject()}}")
	// The last message of a subject, which tells of a list, or is one.
	for _, s := range listSubjects {
		publish.Add(APIPrefix + ".DIRECT.GET." + Lists + "." + s)
	}

	rights := permit(publish, Inbox("{{name()}}"))
	rights.Subs = hostSubs
	// Longer messages end the connection, before they reach the stream.
	rights.Payload = fleet.MaxMessage
	return rights
}

// mirrorRights are those of a host that fetches lists for all: it says how they are, puts them at the hub, and asks
// which the hub has.
func mirrorRights() jwt.UserPermissionLimits {
	rights := hostRights()
	rights.Pub.Allow.Add(mirrorSubjects()...)
	rights.Payload = link.MaxCopy
	return rights
}

// listSubjects are those of all lists. Only mirrors publish there.
var listSubjects = []string{fleet.ListSubject("*"), fleet.CopySubject("*")}

// mirrorSubjects are those at which a mirror publishes, beside what all hosts do.
func mirrorSubjects() []string { return append([]string{listInfo}, listSubjects...) }

// listInfo is a mirror's request for which lists the hub has.
const listInfo = APIPrefix + ".STREAM.INFO." + Lists

// takeListsOut are rights to take out what mirrors have said.
func takeListsOut() []string {
	return append([]string{jsAPI + ".DIRECT.GET." + Lists + "." + fleet.ListSubject("*")}, listSubjects...)
}

// keeperRights are those of the process on the hub that keeps the streams as they have to be, takes out what
// revoked hosts have said, and makes the consumers of hosts. Hosts do not ask the
// server for them: a subject says whose consumer it is, but not which form it has, and nats-server 2.9
// makes room for as many waiting requests as it is told, up to all memory, or ends.
func keeperRights() jwt.UserPermissionLimits {
	var publish jwt.StringList
	for _, name := range streams {
		publish.Add(jsAPI+".STREAM.INFO."+name, jsAPI+".STREAM.CREATE."+name, jsAPI+".STREAM.UPDATE."+name)
	}
	publish.Add(allSlots, jsAPI+".STREAM.MSG.GET."+Stream)
	publish.Add(jsAPI + ".CONSUMER.CREATE." + Stream + ".*")
	publish.Add(takeListsOut()...)
	rights := permit(publish, Inbox(keeperName))
	rights.Sub.Allow.Add(ReaderRequests + "*")
	rights.Resp = &jwt.ResponsePermission{MaxMsgs: 1, Expires: answerReadersIn}
	return rights
}

// adminRights are those of the operator who takes out what a revoked host has said, by messages like
// those of the host, and reads them again; and who reads all heartbeats.
func adminRights() jwt.UserPermissionLimits {
	publish := jwt.StringList{
		allSlots,
		"v1.doc", // the signed document of the operator
		jsAPI + ".STREAM.MSG.GET." + Stream,
		jsAPI + ".CONSUMER.CREATE." + Hosts + ".*",
		jsAPI + ".CONSUMER.DELETE." + Hosts + ".*",
		jsAPI + ".CONSUMER.MSG.NEXT." + Hosts + ".*",
	}
	for _, name := range streams {
		publish.Add(jsAPI + ".STREAM.INFO." + name)
	}
	publish.Add(takeListsOut()...)
	return permit(publish, Inbox(adminName))
}

// systemRights are those of the operator who asks the server itself who is connected and which
// accounts it has.
func systemRights() jwt.UserPermissionLimits {
	return permit(jwt.StringList{
		"$SYS.REQ.ACCOUNT.*.INFO",
		"$SYS.REQ.SERVER.PING.CONNZ",
	}, Inbox(systemName))
}

// permit are rights to publish these subjects and to listen for answers, by plain TCP only.
func permit(publish jwt.StringList, inbox string) jwt.UserPermissionLimits {
	return jwt.UserPermissionLimits{
		Permissions: jwt.Permissions{
			Pub: jwt.Permission{Allow: publish},
			Sub: jwt.Permission{Allow: jwt.StringList{inbox + ".>"}},
		},
		Limits: jwt.Limits{
			UserLimits: jwt.UserLimits{},
			NatsLimits: jwt.NatsLimits{Subs: jwt.NoLimit, Data: jwt.NoLimit, Payload: jwt.NoLimit},
		},
		AllowedConnectionTypes: jwt.StringList{jwt.ConnectionTypeStandard},
	}
}

// answerReadersIn is how long the keeper may take for an answer.
const answerReadersIn = time.Minute

// requests are those to JetStream that hosts may make, after the prefix, beside those for a consumer.
var requests = []string{
	"STREAM.INFO." + Stream,
	"CONSUMER.DELETE." + Stream + ".*",
	"CONSUMER.MSG.NEXT." + Stream + ".*",
	"DIRECT.GET." + Lists + "." + fleet.ListSubject("*"),
	"DIRECT.GET." + Lists + "." + fleet.CopySubject("*"),
	"STREAM.INFO." + Lists, // only mirrors may
}

// commonRequests are those of all hosts that are not for a consumer.
func commonRequests() (subjects []string) {
	subjects = append(subjects, APIPrefix+".STREAM.INFO."+Stream)
	for _, s := range listSubjects {
		subjects = append(subjects, APIPrefix+".DIRECT.GET."+Lists+"."+s)
	}
	return subjects
}

// allRequests is one service for all of them: see the package's comment.
const allRequests = APIPrefix + ".>"

// slotSubjects are all hosts' slots.
func slotSubjects() []string {
	subjects := make([]string, fleet.Slots)
	for slot := range subjects {
		subjects[slot] = fmt.Sprintf("v1.ban.*.%x", slot)
	}
	return subjects
}

// spoken are all subjects by which hosts say something.
func spoken() []string { return slices.Concat(slotSubjects(), []string{beat.Subjects}, listSubjects) }

// streamsAccount describes the account that has the streams; account and hosts are the public keys of
// both accounts.
func streamsAccount(account, hosts string) *jwt.AccountClaims {
	a := jwt.NewAccountClaims(account)
	a.Name = "STREAMS"
	a.Limits.LeafNodeConn = 0
	// The store is limited by the server's max_file_store alone. A limit of the account is reserved, and
	// nats-server 2.9.10 reserves it twice when two users connect at once for the first time: then the
	// account has no store until the server is restarted.
	a.Limits.JetStreamLimits = jwt.JetStreamLimits{DiskStorage: jwt.NoLimit, Streams: int64(len(streams)), Consumer: MaxHosts + MaxReaders}
	importSpoken(a, hosts, spoken())
	a.Exports.Add(&jwt.Export{Name: "requests", Subject: allRequests, Type: jwt.Service, ResponseType: jwt.ResponseTypeStream})
	for _, r := range requests {
		a.AddMapping(jwt.Subject(APIPrefix+"."+r), jwt.WeightedMapping{Subject: jwt.Subject(jsAPI + "." + strings.Replace(r, "*", "$1", 1)), Weight: 100})
	}
	a.AddMapping(jwt.Subject(APIPrefix+".CONSUMER.CREATE."+Stream+".*"), jwt.WeightedMapping{Subject: ReaderRequests + "$1", Weight: 100})
	return a
}

// importSpoken has an account import what is said in another one.
func importSpoken(a *jwt.AccountClaims, from string, subjects []string) {
	for _, s := range subjects {
		a.Imports.Add(&jwt.Import{Name: "spoken", Subject: jwt.Subject(s), Account: from, Type: jwt.Stream})
	}
}

// hostsAccount describes the account of the hosts. Their users are signed by a key that can give
// only the rights of hosts, or by one that can give only those of mirrors.
func hostsAccount(streams, hosts, signer, mirrorSigner string, revoked []string) *jwt.AccountClaims {
	a := jwt.NewAccountClaims(hosts)
	a.Name = "HOSTS"
	a.Limits.Conn = MaxHosts
	a.Limits.LeafNodeConn = 0 // the server does not ask at its port for relays how a host may connect
	for _, s := range spoken() {
		a.Exports.Add(&jwt.Export{Name: "spoken", Subject: jwt.Subject(s), Type: jwt.Stream})
	}
	a.Imports.Add(&jwt.Import{Name: "requests", Subject: allRequests, Account: streams, Type: jwt.Service})
	for _, role := range []struct {
		name, key string
		rights    jwt.UserPermissionLimits
	}{{"host", signer, hostRights()}, {"mirror", mirrorSigner, mirrorRights()}} {
		scope := jwt.NewUserScope()
		scope.Role, scope.Key, scope.Template = role.name, role.key, role.rights
		a.SigningKeys.AddScopedSigner(scope)
	}
	for _, key := range revoked {
		a.RevokeAt(key, forGood)
	}
	return a
}

// systemAccount describes the account by which the server is asked about itself. It imports something of
// the hosts, to which nobody listens, so that the server reads all accounts when it starts. It would
// read them when their users connect, and nats-server 2.9.10 does that twice at once for two users who
// are the first: then the streams' account imports from a copy of the hosts' account that has no
// users, and nothing that hosts say is stored until the server is restarted.
func systemAccount(system, hosts string) *jwt.AccountClaims {
	a := jwt.NewAccountClaims(system)
	a.Name = "SYSTEM"
	a.Limits.LeafNodeConn = 0
	a.Imports.Add(&jwt.Import{Name: "slots", Account: hosts, Type: jwt.Stream, Subject: jwt.Subject(slotSubjects()[0])})
	return a
}
