# make test    everything that must hold before a change lands
# make demo    the guided tour on loopback
# make fuzz    each fuzz target for FUZZTIME (default 5s)
# make bench   how fast certificates are issued here, beside the machine's limits and cfssl

FUZZTIME ?= 5s

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

# Of the command, what has goroutines beside each other in one process: the guided
# tour with all servers, renewals, signing ahead, responders apart.
race:
	go test -race -shuffle=on -timeout 20m $$(go list ./... | grep -v /cmd/)
	go test -race -run '^TestStories$$/^demo$$' ./cmd/altamga
	go test -race -run 'Renew|Signer|Presign|Warm|Remote|Counts|Follow|Door|Outage' ./cmd/altamga

# The stories start the command hundreds of times, and among the tests are ten
# thousand certificates of all profiles and a ceremony ended at each of its points,
# for all of which the race detector takes too long.
stories:
	go test -shuffle=on -timeout 20m ./cmd/altamga
	go test -run '^TestKill$$' ./ca/ceremony

# Two targets at a time, each on one core.
fuzz:
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
		done; \
	done | xargs -P 2 -L 1 sh .ci/fuzz $(FUZZTIME)

bench: build
	@sh .ci/packages softhsm2-util:softhsm2 pg_createcluster:postgresql cfssl:golang-cfssl
	./altamga bench ca
