package main

// rooms are what is judged: what decides, and does so fast. Of a package that also does
// something only the files are named that decide, and the tests that need no root.
var rooms = []room{
	{name: "allowlist"},
	{name: "banlist", slow: "TestFull"},
	{name: "cidr", slow: "TestHash|TestBuilderCompacts|TestHashTellsLengthFromAddress|TestNoAllocation|TestSortLarge"},
	{name: "config", slow: "TestLargeFileIsQuick|TestTooMuch|TestTooMany|TestRoundTrip"},
	{name: "dns"},
	{name: "lockout"},
	{name: "advise"},
	{
		name:  "firewall",
		files: `(plan|change|base|drop|settings|rule|siplimits|table|friends)\.go`,
		tests: "TestPlan.*|TestHookChanges|TestMoves|TestShape|TestNothingToPlan|TestTables.*|TestServiceBlocks|TestSplitRule|TestGolden|TestDiffRules.*|TestChange|TestSSHPorts|" +
			"TestRuleText|TestRuleString|TestKeptPorts|TestReadback|TestLineEnds|TestDropRules|TestOwnRulesAreNoShadows|TestAdmits|TestQuotesInNames|TestMatchesSet|TestParseSave.*|TestEveryConfiguration",
		slow: "TestEveryConfiguration|TestPlanOnModel|TestAdmits",
	},
	{
		name:  "ipsetsync",
		files: `plan\.go`,
		tests: "TestPlan.*|TestSizes|TestCountsSurvive|TestDiff|TestCarryCounts|TestLooksLikeList|TestErrorsHaveRemedies",
	},
	{
		name:  "feeds",
		files: `(guard|past)\.go`,
		tests: "TestJudge.*|TestPast.*|TestGrowth|TestExtent|TestLimitsOfGrowth|TestAgree|TestShortIsBetterThanNone|TestTurnoverIsLearnt|TestContentOf",
		slow:  "TestJudgeByPastLaws",
	},
	{
		name:  "blocklist",
		files: `(judge|judgefamilies)\.go`,
		tests: "TestStatusJudge|TestStatusWords|TestReachedOverIPv6|TestFrozen|TestStale",
	},
	{
		name:  "rules",
		files: `(circumstances|decide)\.go`,
		tests: "TestMustWait|TestRefusal|TestMaybeLoggedIn|TestCaller|TestBeside|TestHasBase|TestDecide.*",
		slow:  "TestDecideAlways",
	},
}
