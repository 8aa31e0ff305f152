package advise

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/voipbl/voipbl/asterisk"
	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/blocklist"
	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/dns"
	"github.com/voipbl/voipbl/engines"
	"github.com/voipbl/voipbl/exempt"
	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/feeds"
	"github.com/voipbl/voipbl/fetch"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
	"github.com/voipbl/voipbl/impact"
	"github.com/voipbl/voipbl/internal/probe"
	"github.com/voipbl/voipbl/internal/problem"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/lockout"
	"github.com/voipbl/voipbl/logins"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/pbx/link"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/rules"
	"github.com/voipbl/voipbl/survey"
)

// TestFindings breaks one thing at a time on a healthy host. Each case has all findings: severity,
// code, a piece of the text and, after "=>", of the remedy.
func TestFindings(t *testing.T) {
	with := func(rules ...string) []string { return append(rules, baseRules...) }
	below := func(rules ...string) []string { return append(slices.Clone(baseRules), rules...) }
	one := netip.MustParsePrefix("198.51.100.7/32")
	const dnat = "nat:DOCKER ! -i docker0 -p udp -m udp --dport 5060 -j DNAT --to-destination 172.17.0.2:5060"
	dnat3306 := strings.ReplaceAll(dnat, "udp --dport 5060", "udp --dport 3306")
	nobody := []string{"note nobody-bans nobody bans who guesses passwords at Asterisk => voipbl pbx connect"}
	watched := configOf(t, "firewall: {base: true, local_networks: [192.168.1.0/24], trunks: [sip.example.net]}\npbx: {hep: \"127.0.0.1:460\"}")
	byManager := configOf(t, "firewall: {base: true, local_networks: [192.168.1.0/24], trunks: [sip.example.net]}\npbx: {ami: \"127.0.0.1:5038\"}")
	for _, test := range []struct {
		name string
		ail  func(in *Input)
		want []string
	}{
		{"healthy", func(in *Input) {}, nil},
		{"healthy without base rules", func(in *Input) {
			in.Config = configOf(t, "allow: [sip.example.net]")
			in.Status.Rules.Base = rules.BaseOff
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, baseRules[:1], baseRules[:1])}
			in.Facts.Asterisk.SIP = []host.Port{{Proto: "udp", Port: 5160}} // nothing is closed
			in.Facts.Asterisk.RTP = [2]uint16{1000, 2000}
			in.Facts.XTRecent.Lists["VOIP"] = 100
		}, nil},
		{"an empty host", func(in *Input) {
			in.Facts = survey.Facts{}
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, nil, nil)}
			in.Status.Rules.Base = rules.BaseOff
		}, nil},

		{"not protected, and nothing is known of it", func(in *Input) {
			in.Status.Protected, in.Status.Problems = false, nil
		}, []string{"problem not-protected the kernel does not hold what it should => voipbl sync"}},
		{"not protected", func(in *Input) {
			in.Status.Protected, in.Status.Problems = false, []string{"the sets are empty"}
		}, []string{"problem not-protected the sets are empty"}},
		{"only bans are in force", func(in *Input) {
			in.Status.Sets = []blocklist.SetStatus{{Name: "voip_bl", Exists: true, Ours: true}, {Name: "voip_bl6", Exists: true, Ours: true}}
			in.Status.BanSets = []blocklist.SetStatus{{Name: "voip_ban", Exists: true, Ours: true, Entries: 1, Drops: true}}
		}, []string{"warning feed-trouble only this host's own bans are blocked: the sets of the lists are empty"}},
		{"no mounts", func(in *Input) { in.Status.Agent.NoMounts = true }, []string{"note agent-no-mounts nothing may be mounted here"}},
		{"no mounts and no agent", func(in *Input) {
			in.Status.Agent = nil
			in.Facts.Agent = &host.Unit{AtBoot: true, ExitStatus: 226}
		}, []string{"problem agent-not-running systemd ends it with 226/NAMESPACE"}},
		{"one family", func(in *Input) {
			in.Status.Families = []problem.FamilyProblem{{Family: "IPv6", Problem: problem.Problem{Error: "IPv6 is not protected as configured: no table"}}}
			in.Status.Rules.Drift = []firewall.Change{{Family: "IPv6", Table: "filter", Chain: "INPUT"}}
		}, []string{"problem family-trouble IPv6 is not protected as configured: no table"}},
		{"whom FreePBX trusts is blocked, beside one who is not", func(in *Input) {
			in.Facts.Asterisk.Contacts = nil
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, append([]string{"fpbxhosts -s 198.51.100.6/32 -j zone-trusted", "fpbxhosts -s 198.51.100.7/32 -j zone-trusted"}, baseRules...), baseRules)}
			in.Checks[one] = blocklist.CheckReport{Places: []reach.Place{{Kind: reach.ByFail2ban, Certain: true}}}
		}, []string{"problem freepbx-blocked FreePBX's firewall trusts 198.51.100.7"}},
		{"whom FreePBX trusts is blocked, and is a phone: that is said once", func(in *Input) {
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, append([]string{"fpbxhosts -s 198.51.100.7/32 -j zone-trusted"}, baseRules...), baseRules)}
			in.Checks[one] = blocklist.CheckReport{Places: []reach.Place{{Kind: reach.ByFail2ban, Certain: true}}}
		}, []string{"problem peer-blocked a phone that is registered from 198.51.100.7 is blocked, by fail2ban"}},
		{"no Asterisk", func(in *Input) { in.Facts.Asterisk = nil }, nil},
		{"an Asterisk whose ports for voice are not known", func(in *Input) { in.Facts.Asterisk.RTP = [2]uint16{} }, nil},
		{"nothing known of xt_recent", func(in *Input) { in.Facts.XTRecent = nil }, nil},
		{"a trunk that SIP is closed for, beside one with a name", func(in *Input) {
			in.Config = configOf(t, "firewall: {base: true, local_networks: [192.168.1.0/24], trunks: [198.51.100.7], sip: {public: false}}")
			in.Facts.Asterisk.Trunks = []string{"198.51.100.7", "198.51.100.8"}
		}, []string{"problem trunk-closed from the trunk 198.51.100.8"}},
		{"IPv6 is left alone", func(in *Input) { in.Status.IPv6Left = true }, []string{"note ipv6-left IPv6 is left alone (firewall.ipv6: off), and this host has IPv6 addresses"}},
		{"no rule drops, and they are another program's", func(in *Input) {
			in.Status.Protected, in.Status.Problems = false, []string{"no rule drops"}
			in.Status.Rules.DropAt, in.Status.Rules.Problem = "none", &problem.Problem{Error: "no rule drops"}
		}, []string{"problem not-protected no rule drops"}},
		{"stale", func(in *Input) {
			in.Status.Feeds[0].Stale, in.Status.Feeds[0].Problem = true, &problem.Problem{Reason: "tls", Error: "bad\ncertificate"}
		}, []string{"problem stale-feed voipbl is stale: it was last fetched at "}},
		{"never fetched, though it was tried", func(in *Input) {
			in.Status.Feeds[0] = feeds.Status{Name: "x", Stale: true, LastAttempt: time.Now(), Problem: &problem.Problem{Error: "cut"}}
		}, []string{"problem stale-feed x was never fetched (cut)"}},
		{"fetched before, and not stale", func(in *Input) {
			in.Status.Feeds[0] = feeds.Status{Name: "x", FetchedAt: time.Now(), Stale: true}
		}, []string{"problem stale-feed x is stale: it was last fetched at"}},
		{"not fetched yet", func(in *Input) {
			in.Status.Feeds[0] = feeds.Status{Name: "x", Problem: &problem.Problem{Error: "absent"}}
		}, []string{"warning feed-trouble the list x was never fetched"}},
		{"not fetched yet, and nothing is wrong", func(in *Input) { in.Status.Feeds[0] = feeds.Status{Name: "x"} }, nil},
		{"a lost copy, and what it had is kept", func(in *Input) {
			in.Status.Feeds[0] = feeds.Status{Name: "x", Stale: true}
			in.Status.Kept = []feeds.Kept{{Feed: "x", Why: "lost", Prefixes: 2}}
		}, []string{"warning feed-trouble the list x has lost its copy", "warning feed-trouble feed x: copy lost"}},
		{"never fetched", func(in *Input) { in.Status.Feeds[0] = feeds.Status{Name: "x", Stale: true} }, []string{"problem stale-feed x was never fetched"}},
		{"held", func(in *Input) { in.Status.Feeds[0].Held = &fetch.Held{} }, []string{"warning feed-trouble waits to be believed"}},
		{"lists that somebody's call holds", func(in *Input) {
			in.Status.Held = &impact.Held{Addresses: []impact.CutOff{{Address: netip.MustParseAddr("45.0.0.1")}}}
		}, []string{"warning feed-trouble held: the lists stay as they were, since newer ones would cut off 45.0.0.1"}},
		{"frozen", func(in *Input) { in.Status.Feeds[0].Frozen = true }, []string{"warning frozen-feed voipbl is FROZEN: its list has not changed since "}},
		{"in trouble", func(in *Input) { in.Status.Feeds[0].Problem = &problem.Problem{Error: "cut"} }, []string{"warning feed-trouble is in trouble (cut)"}},
		{"a name", func(in *Input) { in.Status.Unprotected = []string{"a.example.net"} }, []string{"warning unresolved-name a.example.net"}},
		{"lines of what is dropped do not appear", func(in *Input) {
			in.Status.DropLog = &problem.Problem{Error: "no lines", Remedy: "do"}
		}, []string{"note drop-log no lines => do"}},
		{"names that answer with no host's address, or not at all, and never did", func(in *Input) {
			in.Status.Names = []exempt.NameStatus{{Warning: "x"}, {Failed: &dns.Failure{NoHost: true}, Warning: "x"}, {Failed: &dns.Failure{}, Addresses: make([]dns.Address, 1), Warning: "x"}}
		}, nil},
		{"a name that answers with no host's address", func(in *Input) {
			in.Status.Names = []exempt.NameStatus{{Addresses: make([]dns.Address, 1), Failed: &dns.Failure{NoHost: true}, Warning: "name a.example.net: the answer is 0.0.0.0"}}
		}, []string{"warning unresolved-name the answer is 0.0.0.0"}},
		{"a set of bans of somebody else's", func(in *Input) {
			in.Status.BanSets = []blocklist.SetStatus{{Name: "voip_ban", Exists: true, Entries: 1}}
		}, []string{"problem ban-trouble voip_ban is not one that voipbl made for bans"}},
		{"no set for bans", func(in *Input) {
			in.Status.Bans, in.Status.BanSets = 1, []blocklist.SetStatus{{Name: "voip_ban"}}
		}, []string{"problem ban-trouble the kernel has no set voip_ban"}},
		{"exempt, but banned", func(in *Input) {
			a := netip.MustParsePrefix("203.0.113.7/32")
			in.Status.ExemptBanned = []reach.ExemptBan{{Banned: a, Set: "f2b-sip", Because: []exempt.Protected{{Prefix: a, Reasons: []string{"trunks"}}}}}
		}, []string{"problem exempt-banned 203.0.113.7 is exempt (trunks), but banned by fail2ban (set f2b-sip)"}},
		{"exempt, but banned in a chain", func(in *Input) {
			in.Facts.Fail2ban.Jails = []fail2ban.Jail{jail("j", fail2ban.IntoChain, "f2b-j", "203.0.113.7", "203.0.113.8")}
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, append([]string{"INPUT -p tcp -j f2b-j", "f2b-j -s 203.0.113.7/32 -j REJECT"}, baseRules...), baseRules)}
			in.Exempt = exemptBans("203.0.113.7", "203.0.113.8") // of the second the action has refused to take note
		}, []string{"problem exempt-banned 203.0.113.7 is exempt (allow), but banned by fail2ban's jail j (chain f2b-j)"}},
		{"exempt, but banned in a chain, beside others", func(in *Input) {
			in.Facts.Fail2ban.Jails = []fail2ban.Jail{jail("j", fail2ban.IntoChain, "f2b-j", "203.0.113.8", "203.0.113.7")}
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, append([]string{"INPUT -p tcp -j f2b-j", "f2b-j -s 203.0.113.7/32 -j REJECT"}, baseRules...), baseRules)}
			in.Exempt = exemptBans("203.0.113.7")
			place := reach.Place{Kind: reach.ByOther, Set: "firehol", Certain: true}
			in.Status.ExemptBanned = []reach.ExemptBan{{Banned: netip.MustParsePrefix("203.0.113.7/32"), Set: "firehol", Because: []exempt.Protected{{}}, Place: &place}, {Banned: netip.MustParsePrefix("203.0.113.9/32"), Set: "f2b-sip", Because: []exempt.Protected{{}}}}
		}, []string{"problem exempt-banned 203.0.113.7 is exempt (allow), but banned by fail2ban's jail j (chain f2b-j)", "problem exempt-banned 203.0.113.9 is exempt"}},
		{"exempt, but banned in a set and a chain: that is said once", func(in *Input) {
			in.Facts.Fail2ban.Jails = []fail2ban.Jail{jail("j", fail2ban.IntoChain, "f2b-j", "203.0.113.7")}
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, append([]string{"INPUT -p tcp -j f2b-j", "f2b-j -s 203.0.113.7/32 -j REJECT"}, baseRules...), baseRules)}
			in.Exempt = exemptBans("203.0.113.7")
			in.Status.ExemptBanned = []reach.ExemptBan{{Banned: netip.MustParsePrefix("203.0.113.7/32"), Set: "f2b-sip", Because: []exempt.Protected{{}}}}
		}, []string{"problem exempt-banned 203.0.113.7 is exempt (), but banned by fail2ban (set f2b-sip)"}},
		{"exempt, but banned in a chain of IPv6", func(in *Input) {
			in.Facts.Fail2ban.Jails = []fail2ban.Jail{jail("j", fail2ban.IntoChain, "f2b-j", "2001:db8::7")}
			in.Facts.Fail2ban.Jails[0].Actions[0].Target6 = "f2b-j6"
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, baseRules, append([]string{"INPUT -p tcp -j f2b-j6", "f2b-j6 -s 2001:db8::7/128 -j REJECT"}, baseRules...))}
			in.Exempt = exemptBans("2001:db8::7")
		}, []string{"problem exempt-banned 2001:db8::7 is exempt (allow), but banned by fail2ban's jail j (chain f2b-j6)"}},
		{"exempt, but banned in a chain, without a fail2ban", func(in *Input) {
			in.Facts.Fail2ban = nil
			in.Config = configOf(t, "allow: [sip.example.net, 203.0.113.7, 2001:db8::7]\nfirewall: {local_networks: [192.168.1.0/24]}")
			in.Rules = []reach.KernelRules{kernel(t, firewall.NFT, true, append([]string{"INPUT -p tcp -j fail2ban-ssh", "fail2ban-ssh -s 198.51.100.1/32 -j DROP", "fail2ban-ssh -s 203.0.113.7/32 -j REJECT", "f2b-x -s 192.168.0.0/16 -j DROP"}, baseRules...), baseRules)}
		}, []string{"problem exempt-banned 192.168.1.0/24 is exempt, but banned by fail2ban as 192.168.0.0/16 (chain f2b-x)", "problem exempt-banned 203.0.113.7 is exempt, but banned by fail2ban (chain fail2ban-ssh)", nobody[0]}},
		{"exempt, but in somebody's set", func(in *Input) {
			a := netip.MustParsePrefix("203.0.113.7/32")
			place := reach.Place{Kind: reach.ByOther, Set: "firehol", Certain: true, Remedy: "ipset del firehol 203.0.113.0/24"}
			in.Status.ExemptBanned = []reach.ExemptBan{{Banned: netip.MustParsePrefix("203.0.113.0/24"), Set: "firehol", Because: []exempt.Protected{{Prefix: a, Reasons: []string{"allow"}}}, Place: &place}}
			in.Config = configOf(t, "allow: [sip.example.net, 203.0.113.7]")
			in.Checks[a] = blocklist.CheckReport{Places: []reach.Place{place}} // that is said once
		}, []string{"problem exempt-banned 203.0.113.7 is exempt (allow), but in the set firehol as 203.0.113.0/24, whose members a rule drops"}},
		{"exempt, but banned in nftables", func(in *Input) {
			in.Facts.Fail2ban.Jails = []fail2ban.Jail{jail("j", fail2ban.IntoNFTables, "", "2001:db8::7", "203.0.113.8")}
			in.Exempt = exemptBans("2001:db8::7")
		}, []string{"problem exempt-banned 2001:db8::7 is exempt (allow), but banned by fail2ban's jail j (nftables)", "warning fail2ban-elsewhere "}},
		{"exempt, and banned where nobody knows", func(in *Input) {
			in.Facts.Fail2ban.Jails = []fail2ban.Jail{jail("j", fail2ban.IntoOther, "", "203.0.113.7")}
			in.Exempt = exemptBans("203.0.113.7")
		}, nil},
		{"exempt, but blocked", func(in *Input) {
			in.Config = configOf(t, "allow: [sip.example.net, 198.51.100.7, 198.51.100.8]")
			in.Checks[one] = blocklist.CheckReport{Entry: &one, Places: []reach.Place{{Kind: reach.ByVoipbl, Certain: true}}}
		}, []string{"problem peer-blocked 198.51.100.7"}}, // it is a phone too: that is said once
		{"a phone that fail2ban has banned on the SIP ports", func(in *Input) {
			in.Checks[one] = blocklist.CheckReport{Places: []reach.Place{{Kind: reach.ByFail2ban, Certain: true, Ports: []string{"udp 5060:5061"}, Remedy: "fail2ban-client unban 198.51.100.7"}}}
		}, []string{"problem peer-blocked a phone that is registered from 198.51.100.7 is blocked (only udp 5060:5061), by fail2ban"}},
		{"exempt, and perhaps dropped", func(in *Input) {
			in.Config = configOf(t, "allow: [sip.example.net, 198.51.100.7]")
			in.Checks[one] = blocklist.CheckReport{Places: []reach.Place{{Kind: reach.ByOther}}}
		}, nil},
		{"exempt, but blocked, and no phone", func(in *Input) {
			in.Config = configOf(t, "allow: [sip.example.net, 198.51.100.6, 198.51.100.7]")
			in.Facts.Asterisk.Contacts = nil
			in.Checks[one] = blocklist.CheckReport{Entry: &one, Places: []reach.Place{{Kind: reach.ByVoipbl, Certain: true}}}
		}, []string{"problem exempt-banned 198.51.100.7 is exempt, and blocked all the same"}},
		{"a set", func(in *Input) { in.Status.Sets[0].Changed = true }, []string{"warning set-changed voip_bl"}},
		{"refused rules", func(in *Input) { in.Status.Rules.Problem = &problem.Problem{Error: "beside ufw"} }, []string{"problem rules beside ufw"}},
		{"drift", func(in *Input) { in.Status.Rules.Drift = []firewall.Change{{Op: firewall.OpAdd, Chain: "INPUT"}} }, []string{"problem rules-drift in 1 place"}},
		{"trial", func(in *Input) {
			in.Status.Rules.Pending = &rules.PendingReport{Deadline: time.Now()}
			in.Status.Rules.Drift = []firewall.Change{{Op: firewall.OpAdd}} // it is that of the trial
		}, []string{"warning pending-trial on trial until"}},
		{"a trial that is over", func(in *Input) {
			in.Status.Rules.Pending = &rules.PendingReport{Deadline: time.Now(), Lapsed: true}
		}, []string{"warning pending-trial the rules on trial should have been taken back by now"}},
		{"no agent", func(in *Input) { in.Status.Agent = nil }, []string{"warning agent-not-running "}},
		{"not at boot", func(in *Input) { in.Facts.Agent.AtBoot = false }, []string{"warning agent-not-at-boot "}},
		{"no unit", func(in *Input) { in.Facts.Agent = nil }, nil},
		{"silent agent", func(in *Input) {
			in.Status.Agent, in.Status.AgentError = nil, &problem.Problem{Error: "it does not answer"}
		}, []string{"problem agent-trouble it does not answer"}},
		{"agent's troubles", func(in *Input) {
			in.Status.Agent.ConfigError, in.Status.Agent.ApplyError = &problem.Problem{Error: "a mistake"}, &problem.Problem{Error: "full"}
		}, []string{"problem config-refused a mistake", "problem agent-trouble full"}},
		{"unknown", func(in *Input) { in.Facts.Unknown = []probe.Unknown{{What: "the jails", Error: "no"}} }, []string{"warning not-looked-at the jails could not be looked at: no"}},

		{"other backend", func(in *Input) {
			in.Rules = append(in.Rules, kernel(t, firewall.Legacy, false, []string{"INPUT -p udp -j LOG"}, nil))
		}, []string{"warning other-backend there is 1 rule in the legacy backend of iptables, and voipbl uses nft"}},
		{"other backend, only a policy", func(in *Input) {
			in.Rules = append(in.Rules, kernel(t, firewall.Legacy, false, nil, []string{"INPUT DROP"}))
		}, []string{"problem other-firewall ip6tables-legacy: the policy of filter INPUT drops what", "warning other-backend there are policies other than ACCEPT, and no rules, in the legacy backend of iptables, and voipbl uses nft"}},
		{"other backend, empty", func(in *Input) { in.Rules = append(in.Rules, kernel(t, firewall.Legacy, false, nil, nil)) }, nil},

		{"IPv6 open", func(in *Input) { in.Rules[0] = kernel(t, firewall.NFT, true, baseRules, baseRules[:1]) }, []string{"problem ipv6-open 2001:db8::2"}},
		{"IPv6 open, no address", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, baseRules, baseRules[:1])
			in.Facts.Networks[1] = network("eth0", "fe80::1/64")
		}, nil},
		{"IPv6 open, a private address", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, baseRules, baseRules[:1])
			in.Facts.Networks[1] = network("eth0", "fd00::1/64")
		}, nil},
		{"IPv6 open by iptables, and nftables looks after it", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, baseRules, baseRules[:1])
			in.Facts.Firewalls = []host.Owner{{Name: "nftables", Active: true}}
		}, nil},
		{"IPv6 closed in the other backend", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, baseRules, baseRules[:1])
			in.Rules = append(in.Rules, kernel(t, firewall.Legacy, false, nil, []string{"INPUT DROP"}))
		}, []string{"warning other-backend "}},
		{"both open", func(in *Input) { in.Rules[0] = kernel(t, firewall.NFT, true, baseRules[:1], baseRules[:1]) }, nil},

		{"Docker", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, with(dnat, "INPUT -m set --match-set voip_bl src -j DROP"), baseRules)
		}, []string{"problem docker-bypass reach udp 5060 over IPv4 past it"}},
		{"Docker on IPv6", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, baseRules, with(dnat, "INPUT -m set --match-set voip_bl6 src -j DROP"))
		}, []string{"problem docker-bypass udp 5060 over IPv6"}},
		{"Docker, with the drop in raw", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, with(dnat, "raw:PREROUTING -m set --match-set voip_bl src -j DROP"), baseRules)
		}, nil},
		{"Docker, with a drop in DOCKER-USER", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, with(dnat, "FORWARD -j DOCKER-USER", "DOCKER-USER -m set --match-set voip_bl src -j DROP"), baseRules)
		}, nil},
		{"Docker, past the base rules", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, with(dnat3306, "raw:PREROUTING -m set --match-set voip_bl src -j DROP"), baseRules)
		}, []string{"warning docker-bypass udp 3306 is open to everyone"}},
		{"Docker, past the base rules, looked after", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, with(dnat3306, "raw:PREROUTING -m set --match-set voip_bl src -j DROP", "DOCKER-USER -i eth0 -j DROP"), baseRules)
		}, nil},

		{"Docker runs, and the drop is chosen to be in INPUT", func(in *Input) {
			in.Config.Firewall.DropAt, in.Facts.Docker = config.DropInput, &host.Docker{Running: true}
		}, []string{"warning drop-at-input containers run here"}},
		{"Docker runs, and the drop is where it fits", func(in *Input) { in.Facts.Docker = &host.Docker{Running: true} }, nil},

		{"a cloud's image", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, with("INPUT -j REJECT"), baseRules)
		}, []string{`problem shadowed-rule iptables-nft: the base rules are installed, and no packet comes to them: "-A INPUT -j REJECT" stands above`}},
		{"a native table that drops what the base rules let in", func(in *Input) { in.Native = closing(nft.Inet) },
			[]string{"problem other-firewall table inet filter of nftables drops what the base rules let in: sip (udp 5060", "note other-firewall the table inet filter of nftables also drops incoming packets"}},
		{"rules of the other backend that drop what the base rules let in", func(in *Input) {
			in.Rules = append(in.Rules, kernel(t, firewall.Legacy, false, []string{"INPUT DROP"}, []string{"raw:PREROUTING -p udp -j DROP"}))
		}, []string{
			"problem other-firewall iptables-legacy: the policy of filter INPUT drops what the base rules let in: sip (udp 5060:5061), sip (tcp 5060:5061), rtp (udp 10000:20000) and 17 more",
			`problem other-firewall ip6tables-legacy: "-t raw -A PREROUTING -p udp -j DROP" drops what the base rules let in: sip (udp 5060:5061), rtp (udp 10000:20000), `,
			"warning other-backend ",
		}},
		{"a native table beside the drop alone", func(in *Input) {
			in.Config.Firewall.Base, in.Status.Rules.Base, in.Native = false, rules.BaseOff, closing(nft.Inet)
			in.Rules[0] = kernel(t, firewall.NFT, true, []string{"INPUT DROP", baseRules[0]}, baseRules[:1])
		}, []string{"note other-firewall"}}, // nor is IPv6 open

		{"shadowed", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, below("INPUT -p tcp -m tcp --dport 8443 -j ACCEPT"), baseRules)
		}, []string{`warning shadowed-rule iptables-nft: no packet comes to "-A INPUT -p tcp -m tcp --dport 8443 -j ACCEPT": the jump to the base rules stands above it`}},
		{"shadowed, and the same becomes of it", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, below("INPUT -j DROP"), with("INPUT -s 10.0.0.0/8 -j DROP", "INPUT -s 10.1.0.0/16 -j DROP"))
		}, nil},
		{"ours shadowed", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, baseRules, with("INPUT -p udp -j ACCEPT"))
		}, []string{`problem shadowed-rule ip6tables-nft: "-A INPUT -p udp -j ACCEPT" leaves no packet for 1 rule of voipbl's: "sip for everyone, not too fast"`}},

		{"a set that nobody asks", func(in *Input) { in.Rules[0] = kernel(t, firewall.NFT, true, baseRules[1:], baseRules) },
			[]string{"problem fail2ban-elsewhere jail asterisk has banned 1 address in the set f2b-a, which no rule of INPUT uses (IPv4)"}},
		{"rules that cannot be read", func(in *Input) {
			for f := range in.Rules[0].Saved {
				in.Rules[0].Saved[f] = &iptables.Saved{Trouble: &iptables.MissingToolError{}}
			}
		}, nil},
		{"no rules that are known", func(in *Input) { in.Rules = nil }, nil},
		{"a ban that voipbl's action has refused", func(in *Input) {
			in.Rules[0] = kernel(t, firewall.NFT, true, baseRules[1:], baseRules)
			in.Exempt = map[netip.Addr]exempt.Exemption{netip.MustParseAddr("203.0.113.9"): {Because: []exempt.Protected{{}}}}
		}, nil},
		{"a set of IPv6 by another name", func(in *Input) { in.Facts.Fail2ban.Jails[0].Actions[0].Target6 = "f2b-a6" },
			[]string{"problem fail2ban-elsewhere f2b-a6, which no rule of INPUT uses (IPv6)"}},
		{"a chain that nobody goes to", func(in *Input) { in.Facts.Fail2ban.Jails[0] = jail("j", fail2ban.IntoChain, "f2b-j", "203.0.113.9") },
			[]string{"problem fail2ban-elsewhere in the chain f2b-j"}},
		{"a chain in the other backend", func(in *Input) {
			in.Facts.Fail2ban.Jails[0] = jail("j", fail2ban.IntoChain, "f2b-j", "203.0.113.9")
			in.Rules = append(in.Rules, kernel(t, firewall.Legacy, false, []string{"INPUT -j f2b-j", "f2b-j -j RETURN"}, nil))
		}, []string{"warning other-backend ", "warning fail2ban-elsewhere by rules of the other backend"}},
		{"a ban of a network", func(in *Input) {
			in.Facts.Fail2ban.Jails[0] = jail("j", fail2ban.IntoChain, "f2b-j")
			in.Facts.Fail2ban.Jails[0].BannedNetworks = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		}, []string{"problem fail2ban-elsewhere has banned 1 address in the chain f2b-j, which no rule of INPUT uses (IPv4)"}},
		{"a chain of IPv6 alone that no rule asks about", func(in *Input) {
			in.Facts.Fail2ban.Jails[0] = jail("j", fail2ban.IntoChain, "f2b-j", "2001:db8::9", "2001:db8::a")
		}, []string{"problem fail2ban-elsewhere has banned 2 addresses in the chain f2b-j, which no rule of INPUT uses (IPv6)"}},
		{"something else that is named", func(in *Input) {
			in.Facts.Fail2ban.Jails[0] = jail("j", fail2ban.IntoOther, "x", "203.0.113.9")
		}, nil},
		{"nobody is banned yet", func(in *Input) { in.Facts.Fail2ban.Jails[0] = jail("j", fail2ban.IntoChain, "f2b-j") }, nil},
		{"nftables", func(in *Input) {
			in.Facts.Fail2ban.Jails[0] = jail("j", fail2ban.IntoNFTables, "inet f2b-table addr-set-j")
		},
			[]string{"warning fail2ban-elsewhere bans in nftables (inet f2b-table addr-set-j)"}},
		{"a mail, and us", func(in *Input) {
			in.Facts.Fail2ban.Jails = []fail2ban.Jail{jail("j", fail2ban.IntoOther, "", "203.0.113.9"), jail("k", fail2ban.IntoVoipbl, "", "203.0.113.9")}
		}, nil},
		{"it does not run", func(in *Input) {
			in.Facts.Fail2ban.Jails[0] = jail("j", fail2ban.IntoNFTables, "x")
			in.Facts.Fail2ban.Running = false
		}, nil},

		{"security log", func(in *Input) { in.Facts.Asterisk.Logs[0].Levels = []string{"notice"} }, []string{"problem security-log Asterisk does not write its security log => below [logfiles] in /etc/asterisk/logger.conf"}},
		{"no security log, of FreePBX", func(in *Input) {
			in.Facts.Asterisk.Logs, in.Facts.Asterisk.LogsFile = nil, "/etc/asterisk/custom.conf"
		}, []string{"problem security-log Asterisk does not write its security log => into /etc/asterisk/custom.conf"}},
		{"a security log that no jail reads", func(in *Input) { in.Facts.Asterisk.Logs[0].Jails = nil }, []string{"problem security-log no jail of fail2ban reads Asterisk's security log (/var/log/asterisk/security.log)"}},
		{"a security log, and no fail2ban", func(in *Input) { in.Facts.Asterisk.Logs[0].Jails, in.Facts.Fail2ban = nil, nil }, nobody},
		{"no fail2ban, and voipbl is to watch the PBX", func(in *Input) { in.Config, in.Facts.Fail2ban = watched, nil }, nil},
		{"a fail2ban that could not be looked at", func(in *Input) {
			in.Facts.Asterisk.Logs[0].Jails, in.Facts.Fail2ban = nil, nil
			in.Facts.Unknown = []probe.Unknown{{What: "what fail2ban does", Error: "no"}}
		}, []string{"warning not-looked-at "}},
		{"voipbl watches the PBX, and a jail of somebody else's reads its log", func(in *Input) {
			in.Config, in.Status.Agent.PBX = watched, &link.Reported{}
		}, nil},
		{"voipbl watches the PBX, and its own jail reads the log", func(in *Input) {
			in.Config, in.Status.Agent.PBX = watched, &link.Reported{}
			in.Facts.Fail2ban.Jails[0].Name = "voipbl-asterisk"
		}, []string{"note both-ban fail2ban's jail voipbl-asterisk and voipbl, which watches the PBX, ban the same attackers: one is enough => nothing, or"}},
		{"the same, and a PBX that is not watched as configured", func(in *Input) {
			in.Config, in.Status.Agent.PBX = watched, &link.Reported{}
			in.Status.PBXProblems = []*problem.Problem{{Error: "the PBX is not watched", Remedy: "start it"}}
			in.Facts.Fail2ban.Jails[0].Name = "voipbl-asterisk"
		}, []string{"warning pbx-unwatched the PBX is not watched"}},
		{"copies have ceased, and the manager interface goes on", func(in *Input) {
			in.Config, in.Status.Agent.PBX = watched, &link.Reported{}
			in.Status.PBXProblems = []*problem.Problem{{Reason: blocklist.ReasonCopies, Error: "no copies", Remedy: "voipbl pbx connect --copies"}}
		}, []string{"warning pbx-unwatched no copies: the manager interface alone does not prove => voipbl pbx connect --copies"}},
		{"Asterisk's files are not as they were connected", func(in *Input) {
			in.Config, in.Status.Agent.PBX = watched, &link.Reported{}
			in.Unconnected = []string{"hep.conf is not as it was"}
		}, []string{"warning pbx-unwatched hep.conf is not as it was => voipbl pbx connect"}},
		{"voipbl watches the PBX, and there is no log", func(in *Input) {
			in.Config, in.Status.Agent.PBX = watched, &link.Reported{}
			in.Facts.Asterisk.Logs = nil
		}, nil},
		{"the manager interface alone watches", func(in *Input) {
			in.Config, in.Status.Agent.PBX = byManager, &link.Reported{}
			in.Facts.Asterisk.HEP.Installed = true
			in.Facts.Fail2ban.Jails[0].Name = "voipbl-asterisk"
		}, []string{"note pbx-unproved wrong passwords over UDP are not proved => voipbl pbx connect --copies"}},
		{"the manager interface alone watches, and there is no log", func(in *Input) {
			in.Config, in.Status.Agent.PBX = byManager, &link.Reported{}
			in.Facts.Asterisk.Logs = nil
		}, nil},
		{"the same, and there are traps that it does not see", func(in *Input) {
			in.Config, in.Status.Agent.PBX = byManager, &link.Reported{}
			in.Config.PBX.Traps.Extensions = []string{"9999"}
			in.Facts.Asterisk.HEP.Installed = true
		}, []string{"note pbx-unproved not proved, and pbx.traps.extensions and pbx.traps.agents have no effect, since => voipbl pbx connect --copies"}},
		{"the same, and it bans nobody", func(in *Input) {
			in.Config, in.Status.Agent.PBX = byManager, &link.Reported{}
			in.Config.PBX.BanAttackers = false
			in.Facts.Asterisk.Logs = nil
		}, []string{"problem security-log Asterisk does not write its security log"}},
		{"the same, and Asterisk copies its messages to another program", func(in *Input) {
			in.Config, in.Status.Agent.PBX = byManager, &link.Reported{}
			in.Facts.Asterisk.HEP = asterisk.HEP{Installed: true, Enabled: true, To: "192.0.2.1:9060"}
		}, nil},
		{"there is no log, and nothing watches", func(in *Input) { in.Facts.Asterisk.Logs = nil },
			[]string{"problem security-log Asterisk does not write its security log => voipbl pbx connect"}},

		{"a security log, and jails that nobody knows", func(in *Input) {
			in.Facts.Asterisk.Logs[0].Jails = nil
			in.Facts.Unknown = []probe.Unknown{{What: "the jails of fail2ban", Error: "no"}}
		}, []string{"warning not-looked-at "}},
		{"a security log as JSON", func(in *Input) { in.Facts.Asterisk.Logs[0].Format = "json" }, []string{"problem security-log as JSON only (/var/log/asterisk/security.log)"}},
		{"a security log as JSON, and one that is read", func(in *Input) {
			in.Facts.Asterisk.Logs = append(in.Facts.Asterisk.Logs, asterisk.Log{File: "/x.json", Levels: []string{"security"}, Format: "json"})
		}, nil},
		{"security by syslog, which a jail reads", func(in *Input) {
			in.Facts.Asterisk.Logs = nil
			in.Facts.Asterisk.Syslog = []asterisk.SyslogChannel{{Facility: "local0", Levels: []string{"security"}, Jails: []string{"asterisk"}}}
		}, nil},
		{"security by syslog, which no jail reads", func(in *Input) {
			in.Facts.Asterisk.Logs = nil
			in.Facts.Asterisk.Syslog = []asterisk.SyslogChannel{{Facility: "local0", Levels: []string{"security"}}}
		}, []string{"problem security-log to syslog (local0) only, and no jail of fail2ban reads it there"}},
		{"security by syslog, and no fail2ban", func(in *Input) {
			in.Facts.Asterisk.Logs, in.Facts.Fail2ban = nil, nil
			in.Facts.Asterisk.Syslog = []asterisk.SyslogChannel{{Facility: "local0", Levels: []string{"security"}}}
		}, nobody},
		{"a log behind the clock", func(in *Input) {
			in.Facts.Fail2ban.Jails[0].Sick = []fail2ban.SickLog{{File: "/l", Offset: -2 * time.Hour}}
		}, []string{"problem log-clock the time stamps in /l are 2h0m behind this host's clock"}},
		{"a log ahead of the clock, in two jails", func(in *Input) {
			in.Facts.Fail2ban.Jails[0].Sick = []fail2ban.SickLog{{File: "/l", Offset: 330 * time.Minute}}
			in.Facts.Fail2ban.Jails = append(in.Facts.Fail2ban.Jails, in.Facts.Fail2ban.Jails[0])
		}, []string{"warning log-clock the time stamps in /l are 5h30m ahead of this host's clock"}},
		{"a jail that sees nothing", func(in *Input) {
			in.Facts.Fail2ban.Jails[0].Sick = []fail2ban.SickLog{{File: "/l", Attacks: 12}}
		}, []string{"problem jail-blind /l has 12 wrong passwords of the last minutes, and fail2ban's jail asterisk has counted none"}},
		{"a jail that does not count friends", func(in *Input) {
			in.Facts.Fail2ban.Jails[0].Sick = []fail2ban.SickLog{{File: "/l", Attacks: 12, From: []netip.Addr{netip.MustParseAddr("203.0.113.7")}}}
			in.Exempt = exemptBans("203.0.113.7")
		}, nil},
		{"a line that Asterisk skips", func(in *Input) {
			in.Facts.Asterisk.Skipped = []string{`/etc/asterisk/pjsip.conf, line 3: "#if" is no directive of Asterisk's`}
		}, []string{`note asterisk-config Asterisk skips 1 line of its configuration: /etc/asterisk/pjsip.conf, line 3: "#if" is`}},
		{"IAX2", func(in *Input) {
			in.Facts.Asterisk.IAX2 = &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4569}}, Accounts: true, Trunks: []string{"iax.example.net"}}
		}, []string{"warning iax2-unlogged Asterisk logs nothing of attacks by IAX2 (udp 4569): authdebug is off => below [general] in /etc/asterisk/iax.conf", "warning trunk-unprotected iax.example.net"}},
		{"IAX2 of FreePBX", func(in *Input) {
			in.Facts.Asterisk.IAX2 = &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4569}}, Accounts: true, Custom: "/etc/asterisk/iax_custom.conf"}
		}, []string{"warning iax2-unlogged  => into /etc/asterisk/iax_custom.conf"}},
		{"IAX2, and no fail2ban", func(in *Input) {
			in.Config, in.Facts.Fail2ban = watched, nil
			in.Facts.Asterisk.IAX2 = &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4569}}, Accounts: true}
		}, []string{"note iax2-unlogged Asterisk logs nothing of attacks by IAX2 (udp 4569): authdebug is off => install fail2ban"}},
		{"IAX2 on two ports, and trunks in and out of the local networks", func(in *Input) {
			in.Facts.Asterisk.IAX2 = &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4570}, {Proto: "udp", Port: 4569}}, Accounts: true, AuthDebug: true, Trunks: []string{"192.168.1.9", "198.51.100.7"}}
			in.Config.Firewall.Services = []config.Service{{Name: "iax2", Proto: "udp", Ports: []config.PortRange{{First: 4569, Last: 4569}}, From: config.FromLAN}}
			in.Config.Allow = append(in.Config.Allow, config.Host{Prefix: one})
		}, []string{"warning trunk-closed the base rules let nobody in by IAX2 from 198.51.100.7", "warning port-closed IAX2 on udp 4570"}},
		{"IAX2 for the local networks, and a trunk there", func(in *Input) {
			in.Facts.Asterisk.IAX2 = &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4569}}, Accounts: true, AuthDebug: true, Trunks: []string{"192.168.1.9"}}
			in.Config.Firewall.Services = []config.Service{{Name: "iax2", Proto: "udp", Ports: []config.PortRange{{First: 4569, Last: 4569}}, From: config.FromLAN}}
		}, nil},
		{"IAX2 for nobody", func(in *Input) {
			in.Facts.Asterisk.IAX2 = &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4570}}}
		}, []string{"note iax2-unlogged udp 4570, without accounts"}},
		{"IAX2 on another port", func(in *Input) {
			in.Facts.Asterisk.IAX2 = &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4570}}, Accounts: true, AuthDebug: true}
		}, []string{"warning port-closed IAX2 on udp 4570, which the base rules do not open"}},
		{"IAX2 for the local networks, and a trunk", func(in *Input) {
			in.Facts.Asterisk.IAX2 = &asterisk.IAX2{Ports: []host.Port{{Proto: "udp", Port: 4569}}, Accounts: true, AuthDebug: true, Trunks: []string{"sip.example.net"}}
			in.Config.Firewall.Services = []config.Service{{Name: "iax2", Proto: "udp", Ports: []config.PortRange{{First: 4569, Last: 4569}}, From: config.FromLAN}}
		}, []string{"warning trunk-closed the base rules let nobody in by IAX2 from sip.example.net"}},
		{"WebSockets", func(in *Input) {
			in.Facts.Asterisk.WebSockets = []host.WebSocket{{Port: 8088}, {Port: 8089, TLS: true}}
		}, []string{"warning port-closed WebSockets with TLS on tcp 8089"}},
		{"FreeSWITCH's WebSockets", func(in *Input) { in.Facts.Listeners = append(in.Facts.Listeners, listener("tcp", 7443, "freeswitch")) }, []string{"warning port-closed tcp 7443"}},
		{"FreeSWITCH's TLS", func(in *Input) { in.Facts.Listeners = append(in.Facts.Listeners, listener("tcp", 5081, "freeswitch")) }, []string{"problem port-closed tcp 5081"}},
		{"FreeSWITCH's event socket", func(in *Input) { in.Facts.Listeners = append(in.Facts.Listeners, listener("tcp", 8021, "freeswitch")) }, nil},
		{"Kamailio's TCP", func(in *Input) { in.Facts.Listeners = append(in.Facts.Listeners, listener("tcp", 5090, "kamailio")) }, []string{"problem port-closed tcp 5090"}},
		{"a Kamailio that does not run", func(in *Input) {
			in.Facts.PBXs = []engines.PBX{{Name: "kamailio", SIP: []host.Port{{Proto: "tcp", Port: 5090}}}}
		}, nil},
		{"a Kamailio that runs", func(in *Input) {
			in.Facts.PBXs = []engines.PBX{{Name: "kamailio", Running: true, SIP: []host.Port{{Proto: "tcp", Port: 5090}}}}
		}, []string{"problem port-closed tcp 5090"}},
		{"no logs known", func(in *Input) {
			in.Facts.Asterisk.Logs = nil
			in.Facts.Unknown = []probe.Unknown{{What: "/etc/asterisk/logger.conf", Error: "no"}}
		}, []string{"warning not-looked-at "}},
		{"a jail without an action", func(in *Input) {
			in.Facts.Fail2ban = &fail2ban.Facts{Running: true, Jails: []fail2ban.Jail{{Name: "voipbl-asterisk"}}}
		}, []string{"problem fail2ban-elsewhere fail2ban's jail voipbl-asterisk has no action"}},
		{"fail2ban that nobody wants", func(in *Input) { in.Facts.Fail2ban = &fail2ban.Facts{} }, nil},
		{"fail2ban that was stopped", func(in *Input) { in.Facts.Fail2ban = &fail2ban.Facts{Down: true} },
			[]string{"warning fail2ban-down fail2ban is enabled, but does not run"}},
		{"fail2ban that does not start", func(in *Input) {
			in.Facts.Fail2ban = &fail2ban.Facts{Down: true, Mistake: "Have not found any log file for sshd jail"}
		}, []string{"warning fail2ban-down fail2ban does not start: Have not found any log file for sshd jail => jail.d/sshd.local"}},
		{"fail2ban that has another mistake", func(in *Input) {
			in.Facts.Fail2ban = &fail2ban.Facts{Down: true, Mistake: "No file(s) found"}
		}, []string{"warning fail2ban-down No file(s) found => mend that in /etc/fail2ban"}},
		{"fail2ban that lacks what reads the journal", func(in *Input) {
			in.Facts.Fail2ban = &fail2ban.Facts{Down: true, JournalJails: []string{"sshd"}}
		}, []string{"warning fail2ban-down fail2ban does not start: the jail sshd reads the journal (backend = systemd), for which Python has no module systemd => apt-get install python3-systemd"}},
		{"fail2ban that would not start again", func(in *Input) {
			in.Facts.Fail2ban.Mistake = "Have not found any log file for sshd jail"
		}, []string{"warning fail2ban-mistake fail2ban runs with an older configuration, and would not start with what it has now: Have not found any log file for sshd jail"}},
		{"fail2ban that would not start again, with jails of the journal", func(in *Input) {
			in.Facts.Fail2ban.JournalJails = []string{"sshd", "voipbl-ssh"}
		}, []string{"warning fail2ban-mistake fail2ban runs with an older configuration, and would not start with what it has now: the jails sshd, voipbl-ssh read the journal"}},
		{"only utmp", func(in *Input) { in.Facts.Logins = logins.Records{Utmp: true} }, nil},
		{"nobody sees logins", func(in *Input) { in.Facts.Logins = logins.Records{} }, []string{"warning logins-unseen neither logind nor utmp knows who is logged in by SSH"}},
		{"nobody sees logins, and no unit", func(in *Input) { in.Facts.Logins, in.Facts.Agent = logins.Records{}, nil }, nil},
		{"no copy", func(in *Input) {
			in.Status.Agent.Unkept = map[string]bool{"mine": true, "voipbl": false}
		}, []string{"problem agent-trouble no copy of the list mine can be kept"}},
		{"recent", func(in *Input) { in.Facts.XTRecent.Lists["VOIP"] = 100 }, []string{"warning recent-too-short remembers 100 sources a list (xt_recent), and VOIP is full"}},
		{"recent, long", func(in *Input) {
			in.Facts.XTRecent = &host.XTRecent{MaxAddrs: 1000, Lists: map[string]int{"VOIP": 1000}}
		}, nil},
		{"a port", func(in *Input) {
			in.Facts.Asterisk.SIP = append(in.Facts.Asterisk.SIP, host.Port{Proto: "udp", Port: 5160})
		}, []string{"problem port-closed udp 5160"}},
		{"a port that is a service", func(in *Input) {
			in.Facts.Asterisk.SIP = append(in.Facts.Asterisk.SIP, host.Port{Proto: "udp", Port: 5160})
			in.Config.Firewall.Services = []config.Service{{Name: "old-sip", Proto: "udp", Ports: []config.PortRange{{First: 5160, Last: 5160}}}}
		}, nil},
		{"Kamailio's port", func(in *Input) { in.Facts.Listeners = append(in.Facts.Listeners, listener("udp", 5090, "kamailio")) }, []string{"problem port-closed udp 5090"}},
		{"FreeSWITCH's media", func(in *Input) { in.Facts.Listeners = append(in.Facts.Listeners, listener("udp", 16500, "freeswitch")) }, nil},
		{"voice", func(in *Input) { in.Facts.Asterisk.RTP = [2]uint16{10000, 20001} }, []string{"problem rtp-closed Asterisk uses UDP 10000:20001"}},
		{"voice in fewer ports", func(in *Input) { in.Facts.Asterisk.RTP = [2]uint16{11000, 12000} }, nil},
		{"a trunk", func(in *Input) { in.Facts.Asterisk.Trunks = []string{"sip.example.org"} }, []string{"warning trunk-unprotected sip.example.org"}},
		{"a trunk by its address", func(in *Input) {
			in.Facts.Asterisk.Trunks = []string{"sip.example.org"}
			in.Resolved = map[string][]netip.Addr{"sip.example.org": {one.Addr()}}
			in.Checks[one] = blocklist.CheckReport{Because: []exempt.Protected{{}}}
		}, nil},
		{"a trunk with one of two addresses", func(in *Input) {
			in.Facts.Asterisk.Trunks = []string{"sip.example.org"}
			in.Resolved = map[string][]netip.Addr{"sip.example.org": {one.Addr(), netip.MustParseAddr("198.51.100.8")}}
			in.Config = configOf(t, "allow: [198.51.100.7]")
		}, []string{"warning trunk-unprotected "}},
		{"a private trunk", func(in *Input) { in.Facts.Asterisk.Trunks = []string{"10.0.0.0/24"} }, nil},
		{"a trunk that SIP is closed for", func(in *Input) {
			in.Config = configOf(t, "firewall: {base: true, local_networks: [192.168.1.0/24], sip: {public: false}}")
			in.Facts.Asterisk.Trunks = []string{"192.168.1.9", "10.0.0.9"}
		}, []string{"problem trunk-closed from the trunk 10.0.0.9"}},
		{"a blocked phone", func(in *Input) {
			in.Checks[one] = blocklist.CheckReport{Places: []reach.Place{{Kind: reach.ByVoipbl, Certain: true}}, Listed: []blocklist.Listing{{Feed: "mine", Line: 7}}}
		}, []string{"problem peer-blocked registered from 198.51.100.7 is blocked, by line 7 of mine"}},
		{"a blocked trunk", func(in *Input) {
			in.Facts.Asterisk.Trunks, in.Facts.Asterisk.Contacts = []string{"198.51.100.7"}, nil
			in.Checks[one] = blocklist.CheckReport{Places: []reach.Place{{Kind: reach.ByVoipbl, Certain: true, Part: true}}, Banned: &bans.Ban{}}
		}, []string{"problem peer-blocked the trunk 198.51.100.7 is blocked, by a ban of this host"}},
		{"a database is closed", func(in *Input) {
			in.Closed = []lockout.Closed{{Listener: listener("tcp", 6379, "redis-server")}, {Listener: listener("udp", 41641, "tailscaled")}}
			in.Closed[1].VPN = "tailscale"
		}, []string{"note listener-closed close tcp 6379 (redis-server), udp 41641 (tailscaled)"}},
		{"a VPN is closed", func(in *Input) {
			in.Closed = []lockout.Closed{{Listener: listener("udp", 1194, "openvpn"), Remedy: "open it"}, {Listener: listener("udp", 1194, "openvpn"), Remedy: "open it"}}
			in.Closed[0].VPN, in.Closed[1].VPN = "openvpn", "openvpn"
		}, []string{"warning listener-closed the VPN openvpn comes in by udp 1194"}},
		{"a VPN is for the local networks, as somebody has written", func(in *Input) {
			in.Closed = []lockout.Closed{{Listener: listener("udp", 1194, "openvpn"), Named: true}}
			in.Closed[0].VPN = "openvpn"
		}, []string{"note listener-closed udp 1194 (openvpn)"}},
		{"sshd is closed", func(in *Input) {
			in.Closed = []lockout.Closed{{Listener: listener("tcp", 2222, "sshd"), Remedy: "open it"}}
		}, []string{"warning listener-closed sshd listens on tcp 2222"}},
		{"sshd is for the local networks", func(in *Input) {
			in.Closed = []lockout.Closed{{Listener: listener("tcp", 22, "sshd"), OpenTo: []netip.Prefix{one}}}
		}, []string{"note listener-closed tcp 22 (sshd)"}},
		{"too many rules", func(in *Input) { in.Status.Rules.Unfollowed = true }, []string{"note not-looked-at not all that may be in the way"}},
		{"problems first", func(in *Input) {
			in.Status.Agent = nil
			in.Facts.Asterisk.RTP = [2]uint16{1, 2}
			in.Closed = []lockout.Closed{{Listener: listener("tcp", 6379, "redis-server")}}
		}, []string{"problem rtp-closed ", "warning agent-not-running ", "note listener-closed "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := healthy(t)
			test.ail(&in)
			in.Status.Rules.Obstacles, _ = reach.Obstacles(in.Config, nil, reach.Passed{Rules: in.Rules, Native: in.Native})
			found := Findings(in)
			for i, f := range found {
				line := string(f.Severity) + " " + f.Code + " " + f.Text
				if f.Why == "" || f.Remedy == "" || strings.Contains(line, "\n") {
					t.Errorf("%+v", f)
				}
				if i >= len(test.want) {
					t.Errorf("too much: %s", line)
					continue
				}
				severity, rest, _ := strings.Cut(test.want[i], " ")
				code, piece, _ := strings.Cut(rest, " ")
				piece, remedy, _ := strings.Cut(piece, " => ")
				if string(f.Severity) != severity || f.Code != code || !strings.Contains(f.Text+": "+f.Why, piece) || !strings.Contains(f.Remedy, remedy) {
					t.Errorf("found %s => %s\nnot %s", line, f.Remedy, test.want[i])
				}
			}
			if len(found) < len(test.want) {
				t.Errorf("not found: %s", test.want[len(found)])
			}
		})
	}
}

// exemptBans makes addresses exempt.
func exemptBans(addrs ...string) map[netip.Addr]exempt.Exemption {
	all := make(map[netip.Addr]exempt.Exemption)
	for _, text := range addrs {
		a := netip.MustParseAddr(text)
		all[a] = exempt.Exemption{Query: text, Exempt: true, Because: []exempt.Protected{{Prefix: netip.PrefixFrom(a, a.BitLen()), Reasons: []string{"allow"}}}}
	}
	return all
}

// closing returns native rules with a policy that drops.
func closing(f nft.Family) *nft.Ruleset {
	return &nft.Ruleset{Tables: []nft.Table{{Family: f, Name: "filter", Chains: []nft.Chain{{Name: "input", Hook: nft.Input, Drops: true}}}}}
}
