# make test    everything that must hold before a change lands
# make demo    the guided tour on loopback
# make fuzz    each fuzz target for FUZZTIME (default 3s)
# make bench   how fast certificates are issued here, beside the machine's limits and cfssl

FUZZTIME ?= 3s

# The tests look for servers as chronyd and nginx where Debian puts them.
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: build test demo packages format vet staticcheck race stories fuzz bench

build:
	go build -o altamga ./cmd/altamga

demo:
	go run ./cmd/altamga demo

test: packages format vet staticcheck race stories fuzz
	@echo "make test: all of it passed"

# What the tests judge with and the race detector needs, from Debian.
packages:
	@sh .ci/packages openssl:openssl curl:curl gcc:gcc gcc:libc6-dev unshare:util-linux \
		redis-server:redis-server pg_createcluster:postgresql softhsm2-util:softhsm2 cfssl:golang-cfssl \
		chronyd:chrony faketime:faketime nginx:nginx-light apache2:apache2-bin \
		javac:default-jdk-headless jarsigner:default-jdk-headless \
		/usr/share/java/bcprov.jar:libbcprov-java osslsigncode:osslsigncode \
		xmlsec1:xmlsec1 xmllint:libxml2-utils jsonschema:python3-jsonschema

format:
	@files=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi

vet:
	go vet ./...

staticcheck:
	go tool staticcheck ./...

# The race detector watches what is ours, not the arithmetic of the cryptography
# nor SQLite's translated C: neither starts a goroutine, and to watch them takes
# several times as long. It waits 20 ms for stragglers at a process's end, not a
# second. go vet has passed before.
UNWATCHED = crypto/internal/fips140/... golang.org/x/crypto/blowfish modernc.org/sqlite/lib
RACE = GORACE=atexit_sleep_ms=20 go test -race $(UNWATCHED:%=-gcflags=%=-race=false) -vet=off -shuffle=on -timeout 20m

# What has one thing going on is tested once, in stories, and so is the command: its
# stories start it hundreds of times, and among its tests are ten thousand
# certificates of all profiles, for which the race detector takes too long.
ALONE = cmd/altamga ca/ceremony interop/truststore internal internal/lint internal/xmlsec

# Of the command, what has goroutines beside each other in one process: the guided
# tour with all servers, renewals, signing ahead, responders apart. Tests that wait
# come first, so that others work meanwhile.
race:
	$(RACE) -p 3 ./internal/register ./conformance $(filter-out $(ALONE:%=github.com/altamga/altamga/%),$(shell go list ./...))
	$(RACE) -run '^TestStories$$/^demo$$|Renew|Signer|Presign|Warm|Remote|Counts|Follow|Door|Outage' ./cmd/altamga

stories:
	go test -vet=off -shuffle=on -timeout 20m $(ALONE:%=./%)

# Two packages at a time, each on one core; those with most targets first.
fuzz:
	@git grep '^func Fuzz' -- '*_test.go' | sed 's|/[^/]*$$||' | sort | uniq -c | sort -rn | \
		awk '{ print $$2 }' | xargs -P 2 -n 1 sh .ci/fuzz $(FUZZTIME)

bench: build
	@sh .ci/packages softhsm2-util:softhsm2 pg_createcluster:postgresql cfssl:golang-cfssl
	./altamga bench ca
