package main

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/known"
	"github.com/voipbl/voipbl/state"
)

// register tells the agent of a phone, as a program that watches the PBX does:
// register ADDR ACCOUNT TIME. With "!" the agent must refuse it.
func register(ts *testscript.TestScript, neg bool, args []string) {
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
	if (len(a.Refused) > 0) != neg || a.Problem != "" {
		ts.Fatalf("the answer is %s", text)
	}
}

// trunk tells the agent that the PBX is registered somewhere: trunk HOST ACCOUNT.
func trunk(ts *testscript.TestScript, _ bool, args []string) {
	cfg := config.Default()
	cfg.RunDir = ts.MkAbs("run")
	request := known.TrunkRequest{Trunks: []known.SeenTrunk{{Host: args[0], Account: args[1]}}}
	var a known.TrunkAnswer
	ts.Check(state.Tell(context.Background(), cfg, state.RequestWait, "POST", known.TrunksPath, request, &a))
	if a != (known.TrunkAnswer{}) {
		ts.Fatalf("the answer is %+v", a)
	}
}
