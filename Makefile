# The commands of this project. As root, "make try" shows the program at work in a
# throw-away network namespace. "make test" says what this machine lacks, names the
# packages that it is about to install (YES=1 does not ask), and runs all tests.
# "make help" lists the rest.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
DATE     = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md))
ABLE     = { sh testdata/able.sh || test -n '$(ANYWAY)' || { echo 'ANYWAY=1 runs them anyway, and some fail'; false; }; }
PACKAGES = ./...
BENCH    = $(if $(QUICK),-quick) $(if $(LISTS),-lists '$(abspath $(LISTS))') $(if $(AGENT),-agent $(AGENT)) $(if $(ONLY),-only $(ONLY))
STAGES   = exec go -C tools run ./stages

.PHONY: build install deb try test test-unit test-kernel test-deb test-asterisk published check fuzz mutants faults tables answers bench release man completions clean help

build: ; @CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/voipbl ./cmd/voipbl   ## bin/voipbl
install: build ; @sh packaging/install.sh "$(DESTDIR)"   ## program, configuration, units
deb: ; @sh packaging/deb/build.sh $(or $(ARCH),amd64 arm64)   ## dist/voipbl_VERSION_ARCH.deb for each ARCH
try: build ; @sh testdata/install.sh ipset iproute2 iptables && FEED='$(FEED)' sh testdata/try.sh bin/voipbl   ## the main job on a full-size list; FEED=FILE for yours
test: ; @$(ABLE) && sh testdata/install.sh && sh testdata/check.sh && $(STAGES) unit kernel deb -- $(PACKAGES)   ## check and all stages of tests, each only if the one before succeeds; names the packages that it installs, and asks
test-unit: ; @sh testdata/install.sh $$([ "$$(id -u)" -eq 0 ] || echo gcc iproute2 ipset iptables libc6-dev nftables util-linux) && $(STAGES) unit -- $(PACKAGES)   ## the tests that need no root, with the race detector; those that need the kernel run in a user namespace
test-kernel: ; @$(ABLE) && sh testdata/install.sh && $(STAGES) kernel -- $(PACKAGES)   ## the tests that need root, with the real kernel and tools
test-asterisk: ; @$(ABLE) && sh testdata/install.sh && sh testdata/alone.sh go test -count=1 -v ./internal/siege && sh testdata/alone.sh go test -count=1 -v -run '^TestAsterisk$$' ./packaging/deb   ## attacks on a real Asterisk that voipbl watches, with what each got (some six minutes); part of test-kernel and test-deb
test-deb: ; @$(ABLE) && sh testdata/install.sh && $(STAGES) deb   ## the .deb installed, booted, upgraded, removed
published: ; @$(ABLE) && test -d '$(LISTS)/feeds' || { echo 'LISTS=DIR says where feeds/ and asterisk/ are: see CONTRIBUTING.md'; false; } && VOIPBL_PUBLISHED="$$(realpath '$(LISTS)')" go test -count=1 -tags published -run '^TestPublished' ./blocklist ./feeds ./packaging/fail2ban   ## tests with published lists and real logs of Asterisk, from LISTS=DIR
check: ; @sh testdata/check.sh   ## format, vet, staticcheck, shellcheck, govulncheck
fuzz: ; @sh testdata/fuzz.sh $(or $(FUZZTIME),5m)   ## each fuzz target for FUZZTIME
mutants: ; @go -C tools run ./mutants $(IN)   ## which faults in pure packages no test notices; IN='cidr dns' for these packages only
faults: ; @$(ABLE) && sh testdata/install.sh && VOIPBL_FAULTS=$(or $(FAULTS),all) sh testdata/alone.sh go test -count=1 -timeout 8h -run '^Test(Connect|Fleet)?Faults' ./cmd/voipbl   ## every system call of every command fails once; FAULTS=N for N of each kind
tables: ; @$(ABLE) && sh testdata/install.sh && VOIPBL_TABLES=all && export VOIPBL_TABLES && $(STAGES) unit kernel deb   ## all stages with all rows of large tables, of which "make test" takes a share
answers: ; @$(ABLE) && sh testdata/install.sh && VOIPBL_ANSWERS=$(or $(ROWS),triples) go test -count=1 -timeout 8h -run '^TestAnswers' ./cmd/voipbl   ## the answers about hosts with three troubles at once; ROWS=issue for the 576 that matter most, ROWS=agent=none to select
bench: $(if $(RENDER),,build) ; @$(if $(RENDER),exec go -C tools run ./bench -render,sh testdata/install.sh ipset iptables nftables iproute2 iprange time util-linux procps nats-server && exec go -C tools run ./bench $(BENCH))   ## how fast and light voipbl is beside others, into docs/benchmarks.md (half an hour); QUICK=1 for a look at three minutes, into dist/bench; ONLY=PART,… for some parts, there too
release: ; @sh packaging/release.sh   ## tests, packages, checksums and notes of the commit, and the remaining commands; SIGN=yes signs the tag
man: ; @rm -rf dist/man && SOURCE_DATE_EPOCH=$(DATE) go run -tags man -ldflags '-X main.version=$(VERSION)' ./cmd/voipbl dist/man   ## the manual pages, in dist/man
completions: build ; @mkdir -p dist/completions && cd dist/completions && ../../bin/voipbl completion bash >voipbl.bash && ../../bin/voipbl completion zsh >_voipbl && ../../bin/voipbl completion fish >voipbl.fish   ## for bash, zsh and fish, in dist/completions
clean: ; rm -rf bin dist
help: ; @sed -n 's/^\([a-z-]*\):.*;.*   ## /\1\t/p' Makefile | grep -v sed   ## this list
