package main

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// register tells the agent of a phone, as a program that watches the PBX does:
// register [unkept] ADDR ACCOUNT TIME. With "!" the agent must refuse it. With "unkept" it must say that
// a boot would lose it.
func register(ts *testscript.TestScript, neg bool, args []string) {
	unkept := args[0] == "unkept"
	if unkept {
		args = args[1:]
	}
	last, err := time.ParseDuration(args[2])
	ts.Check(err)
	cfg := config.Default()
	cfg.RunDir = ts.MkAbs("run")
	now := time.Now()
	request := known.Request{Phones: []known.Seen{{Addr: netip.MustParseAddr(args[0]), Account: args[1], Transport: "udp", Since: now, Until: now.Add(last)}}}
	var a known.Answer
	ts.Check(state.Tell(context.Background(), cfg, state.RequestWait, "POST", known.Path, request, &a))
	text, err := json.Marshal(a)
	ts.Check(err)
	if (len(a.Refused) > 0) != neg || (a.Problem != "") != unkept || a.Undone {
		ts.Fatalf("the answer is %s", text)
	}
}

// trunk tells the agent that the PBX is registered somewhere: trunk [unkept] HOST ACCOUNT.
func trunk(ts *testscript.TestScript, _ bool, args []string) {
	unkept := args[0] == "unkept"
	if unkept {
		args = args[1:]
	}
	cfg := config.Default()
	cfg.RunDir = ts.MkAbs("run")
	request := known.TrunkRequest{Trunks: []known.SeenTrunk{{Host: args[0], Account: args[1]}}}
	var a known.TrunkAnswer
	ts.Check(state.Tell(context.Background(), cfg, state.RequestWait, "POST", known.TrunksPath, request, &a))
	if (a.Problem != "") != unkept || a.Undone {
		ts.Fatalf("the answer is %+v", a)
	}
}

// attacker tells the agent of an attacker in the same way: attacker unkept ADDR.
func attacker(ts *testscript.TestScript, neg bool, args []string) {
	request := bans.SeenRequest{Bans: []bans.Seen{{Addr: netip.MustParseAddr(args[1]), For: time.Hour, Evidence: "3 wrong passwords, proved", Proved: true, Failures: 3}}}
	var a bans.SeenAnswer
	ts.Check(state.TellPBX(context.Background(), ts.MkAbs("run"), bans.SeenPath, state.RequestWait, request, &a))
	if neg || args[0] != "unkept" || a.Banned != 1 || a.Problem == nil || a.Undone {
		ts.Fatalf("the answer is %+v", a)
	}
}
