package main

// rooms are what is measured: fast code that decides. For a package that does more, only the files
// that decide are named, and the tests that do not need root.
var rooms = []room{
	{name: "allowlist"},
	{name: "banlist", slow: "TestFull"},
	{name: "cidr", slow: "TestHash|TestBuilderCompacts|TestHashTellsLengthFromAddress|TestNoAllocation|TestSortLarge"},
	{name: "config", slow: "TestLargeFileIsQuick|TestTooMuch|TestTooMany|TestRoundTrip"},
	{name: "dns"},
	{name: "lockout"},
	{name: "pbx/detect", slow: "TestBounded|TestSpoofed"},
	{name: "advise"},
	{name: "fleet", slow: "TestModel|TestLarge"},
	{name: "fleet/beat"},
	{name: "impact", files: "decide|over", tests: "TestDecide|TestOver"},
	{
		name:  "firewall",
		files: "plan|change",
		tests: "TestPlan.*|TestHookChanges|TestMoves|TestShape|TestNothingToPlan|TestDiffRules.*|TestChange|TestReadback|TestPublished|TestEveryConfiguration",
		slow:  "TestEveryConfiguration|TestPlanOnModel",
	},
	{
		name:  "ruleset",
		files: "base|drop|settings|rule|siplimits|friends|admit",
		slow:  "TestAdmits",
	},
	{name: "iptables", files: "words|protocols"},
	{
		name:  "ipsetsync",
		files: "plan",
		tests: "TestPlan.*|TestSizes|TestCounts.*|TestCompare|TestCarryCounts|TestShapeKeepsMaxelem|TestLooksLikeList|TestErrorsHaveRemedies",
	},
	{
		name:  "feeds",
		files: "judgebody|judgepast",
		tests: "TestJudge.*|TestPast.*|TestExtent|TestLimitsOfGrowth|TestAgree|TestShortIsBetterThanNone|TestTurnoverIsLearnt|TestContentOf",
		slow:  "TestJudgeByPastLaws",
	},
	{
		name:  "blocklist",
		files: "statusproblems|statusfamilies|statusbeat",
		tests: "TestBeat|TestBeatOf|TestStatusJudge|TestStatusWords|TestReachedOverIPv6|TestFrozen|TestStale",
	},
	{
		name:  "rules",
		files: "circumstances|decide|mayinstall",
		tests: "TestMustWait|TestRefusal|TestMaybeLoggedIn|TestCaller|TestBeside|TestHasBase|TestDecide.*",
		slow:  "TestDecideAlways",
	},
	{
		name:  "pbx/ami",
		files: "event|listing|reader|repeats|session|tracker|trunks",
		tests: "TestC.*|TestEvents|TestNewRefuses|TestParseAddress|TestRe.*|TestSecrets|TestServers|TestTr.*|TestWhat|Fuzz.*",
		slow:  "TestReaderIsBounded|TestTrackerIsBounded",
	},
	{
		name:  "pbx/hep",
		files: "hash|nonces|packet|tracker",
		tests: "TestDecode.*|TestTracker.*|TestTextIsBounded|TestNonces|TestFlood|TestSpoofer|Fuzz.*",
		slow:  "TestFlood|TestSpoofer",
	},
	{
		name:  "known",
		files: "file|list|request|spread|trunk",
		tests: "TestClocks|TestOffice|TestBounds|TestSpread|TestFile|TestRequest|TestTrunkHosts|TestTrunks",
	},
}
