# Everything that is done to this repository is done by a target of this file; CI calls nothing that is not here.
# `make` alone lists the targets.

SHELL       := /bin/sh
BIN         := $(CURDIR)/.bin
GO          ?= go
FUZZTIME    ?= 10s
KILLS       ?= 100
TESTFLAGS   ?=
IMAGE       ?= holdfast:dev
TEST        := $(GO) run ./cmd/testpg -- $(GO) test
# In CI a result that was cached proves nothing.
CI_FLAGS    := $(if $(CI),-count=1)

# A checkout of another owner's (a CI volume, a root shell) has no readable VCS state; builds must not fail for that.
export GOFLAGS := -buildvcs=false $(filter-out -buildvcs%,$(shell $(GO) env GOFLAGS))

GOLANGCI_VERSION    := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)

.DEFAULT_GOAL := help

## Using it

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^## /{printf "\n%s\n", substr($$0, 4)} /^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: pg ## build it and run it with a database, a demo tenant and an inbox of its own
	$(GO) build -trimpath -o $(BIN)/holdfast ./cmd/holdfast
	@exec $(BIN)/holdfast dev

.PHONY: demo
demo: pg ## the same, then walk whole recoveries through the public API and narrate them
	@exec $(GO) run ./cmd/holdfast demo

.PHONY: pg
pg: ## make sure that PostgreSQL's binaries are there (no server is started)
	@./.ci/pg

## Testing it

.PHONY: redis
redis: ## make sure that redis-server is there for the tests (no server is started)
	@./.ci/redis

.PHONY: prometheus
prometheus: ## make sure that promtool and Alertmanager are there for the tests (no server is started)
	@./.ci/prometheus

.PHONY: check-alerts
check-alerts: prometheus ## the alert rules and their unit tests
	promtool check rules deploy/alerts/holdfast.yaml deploy/alerts/audit.yaml
	cd deploy/alerts && promtool test rules holdfast_test.yaml audit_test.yaml auditmonths_test.yaml

.PHONY: test
test: pg redis ## every test, on a real PostgreSQL that it starts itself
	$(TEST) $(CI_FLAGS) -timeout 15m $(TESTFLAGS) ./...

.PHONY: test-short
test-short: redis ## the tests that need no database
	$(GO) test -short $(CI_FLAGS) $(TESTFLAGS) ./...

.PHONY: test-browser
test-browser: pg ## the pages in a real Chromium, which has to be there; pictures of them in .bin/screenshots
	$(TEST) $(CI_FLAGS) -tags browser -timeout 10m $(TESTFLAGS) ./internal/app/browser

.PHONY: test-race
test-race: pg redis ## every test under the race detector; needs a C compiler
	CGO_ENABLED=1 $(TEST) $(CI_FLAGS) -race -timeout 30m $(TESTFLAGS) ./...

.PHONY: test-kills
test-kills: pg ## kill -9 of the service with its sealer and senders, KILLS (100) times under load
	HOLDFAST_TEST_KILLS=$(KILLS) $(TEST) -count=1 -v -timeout 60m -run TestKill9 $(TESTFLAGS) ./cmd/holdfast

.PHONY: cover
cover: pg redis ## what the tests reach, in .bin/cover.html
	@mkdir -p $(BIN)
	$(TEST) -timeout 15m -coverpkg=./internal/... -coverprofile=$(BIN)/cover.out ./...
	$(GO) tool cover -html=$(BIN)/cover.out -o $(BIN)/cover.html
	@$(GO) tool cover -func=$(BIN)/cover.out | tail -1

.PHONY: conformance
conformance: pg .tools/conformance/node_modules/.package-lock.json $(BIN)/omniwitness $(BIN)/witness-keys ## signals, checked by others' verifiers on node (npm fetches them), and the log by a witness that others wrote
	$(GO) test $(CI_FLAGS) -tags conformance -run TestConformance -v ./internal/signal
	$(TEST) $(CI_FLAGS) -tags conformance -run TestConformance -v ./cmd/holdfast

.tools/conformance/node_modules/.package-lock.json: .tools/conformance/package-lock.json
	cd .tools/conformance && npm ci --no-audit --no-fund --ignore-scripts

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s)
	@./.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: pg ## speed, beside a floor that PostgreSQL alone gives, and the timing comparison of decoys
	$(GO) run ./cmd/bench

## Changing it

.PHONY: generate
generate: $(BIN)/sqlc $(BIN)/oapi-codegen ## write what is generated: queries, client, diagram
	cd internal/postgres && $(BIN)/sqlc generate
	PATH="$(BIN):$$PATH" $(GO) generate ./...

.PHONY: generate-check
generate-check: ## generate; nothing may have changed
	@./.ci/generate-check

.PHONY: fmt
fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt ./...

.PHONY: lint
lint: $(GOLANGCI) ## the rules of the house, rings and fences included
	$(GOLANGCI) run ./...

.PHONY: vet-sql
vet-sql: $(BIN)/sqlc ## check the queries against the migrations
	cd internal/postgres && $(BIN)/sqlc compile
	@! grep -rniE 'select +\*' $(wildcard internal/postgres/quer*) || { echo 'vet-sql: name the columns: SELECT * changes its shape with the table'; exit 1; }

.PHONY: vuln
vuln: ## known vulnerabilities in what is linked; needs the network
	$(GO) run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...

.PHONY: migrate-new
migrate-new: ## begin a migration: make migrate-new NAME=add_what
	@./.ci/migrate new "$(NAME)"

.PHONY: migrate-check
migrate-check: ## the numbers have no gap, and no merged migration was edited
	@./.ci/migrate check

.PHONY: image
image: ## the container image, IMAGE (holdfast:dev)
	docker build -f deploy/Dockerfile -t $(IMAGE) .

.PHONY: check
check: generate-check migrate-check vet-sql lint test ## all that a change needs before it is handed in

# Tools. They are pinned in .tools/go.mod, apart from the service's own dependencies; golangci-lint stands alone because it
# would move the others' versions. CGO_ENABLED=0 keeps sqlc from needing a C compiler.

$(BIN)/sqlc: .tools/go.mod
	CGO_ENABLED=0 $(GO) build -C .tools -o $@ github.com/sqlc-dev/sqlc/cmd/sqlc
	@touch $@

$(BIN)/oapi-codegen: .tools/go.mod
	CGO_ENABLED=0 $(GO) build -C .tools -o $@ github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen
	@touch $@

$(BIN)/mailpit: .tools/go.mod
	CGO_ENABLED=0 $(GO) build -C .tools -o $@ github.com/axllent/mailpit
	@touch $@

# The witness has a module of its own, with its own versions of what the others need too.
$(BIN)/omniwitness: .tools/witness/go.mod
	CGO_ENABLED=0 $(GO) build -C .tools/witness -o $@ github.com/transparency-dev/witness/cmd/omniwitness
	@touch $@

$(BIN)/witness-keys: .tools/witness/go.mod
	CGO_ENABLED=0 $(GO) build -C .tools/witness -o $@ github.com/transparency-dev/witness/cmd/generate_keys
	@touch $@

$(GOLANGCI):
	CGO_ENABLED=0 GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(BIN)/golangci-lint $@
