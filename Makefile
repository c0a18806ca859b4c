# Two commands matter: `make run` and `make test`. `make help` lists the rest.

MODULES := proto pkg services
BIN     := .bin
WEB     := services/console/web
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What touches keys is erased from memory: runtime/secret, see pkg/memory.
export GOEXPERIMENT := runtimesecret

.DEFAULT_GOAL := help
.PHONY: help run test build console console-test console-gen gen check-gen breaking lint fuzz interop memory readme deploy-check modules bench clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Build and start everything in one process on this machine. Data stays in .keyward.
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory console || echo "The console was not built. Everything else works."; fi
	@$(MAKE) --no-print-directory build
	@exec bin/standalone --dir .keyward

test: ## Run all tests with the race detector. Needs Go, make and a C compiler.
	go test -race -count=1 work

build: ## Build the programs into bin/.
	@mkdir -p bin
	go build -o bin/ ./services/cmd/...

console: $(WEB)/dist/index.html ## Build the web page, for the next build of the programs. Needs Node 20 and npm.

console-test: console ## Test the web page, also in Chromium, as each role. Needs Node 20, npm and chromium.
	@$(MAKE) --no-print-directory build
	cd $(WEB) && npm test
	cd $(WEB) && KEYWARD_STANDALONE=$(CURDIR)/bin/standalone KEYWARD_PICTURES=1 npm run e2e

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(wildcard $(WEB)/*.*) $(shell find $(WEB)/src $(WEB)/public -type f)
	cd $(WEB) && npm run build
	@touch $@

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	cd $(WEB) && npm ci
	@touch $@

gen: $(BIN)/buf ## Generate Go code and the OpenAPI document from the protos.
	rm -rf third_party/proto
	GOWORK=off go -C tools/gen run ./protodeps $(CURDIR)/third_party/proto
	buf format -w
	buf lint
	buf generate

console-gen: gen $(WEB)/node_modules/.package-lock.json ## Generate what the web page takes from the protos, too. Needs Node 20 and npm.
	cd $(WEB) && npm run gen

check-gen: console-gen ## Generate, and fail if that changes anything.
	@git --no-pager diff --stat -- proto $(WEB)/src/gen
	@test -z "$$(git status --porcelain -- proto $(WEB)/src/gen | tee /dev/stderr)"

breaking: $(BIN)/buf ## Compare the contract with the newest release tag.
	tools/breaking

lint: $(BIN)/golangci-lint $(BIN)/buf $(WEB)/node_modules/.package-lock.json ## Run the linters. Needs Node 20 and npm.
	@for module in $(MODULES); do echo "lint $$module"; (cd $$module && golangci-lint run ./...) || exit 1; done
	@echo "lint $(WEB)" && cd $(WEB) && npm run --silent lint

fuzz: ## Fuzz every target for FUZZTIME (10s).
	tools/fuzz $(or $(FUZZTIME),10s)

PARTNERS := services/e2e/testdata/interop
interop: $(PARTNERS)/node_modules/.package-lock.json ## Check payloads against partners' tools, both ways. Needs npm, openssl, python3, gpg, strace; a JDK counts.
	go test -count=1 -tags interop -run Interop ./services/...

$(PARTNERS)/node_modules/.package-lock.json: $(PARTNERS)/package-lock.json
	npm ci --silent --prefix $(PARTNERS)
	@touch $@

memory: ## Dump the memory of running programs and look for values in it. Needs root and gdb.
	go test -count=1 -tags memory -run Memory ./services/e2e/...

readme: $(BIN)/grpcurl $(WEB)/node_modules/.package-lock.json ## Run the commands of README.md, docs/install.md and docs/identity. Needs curl, jq, openssl, Node 20, npm.
	go test -count=1 -tags readme -run Readme ./services/e2e/...

deploy-check: $(BIN)/helm $(BIN)/containers $(BIN)/promtool $(BIN)/grpcurl ## Check deploy/. Needs root, bash, curl, jq, openssl, strace, systemd.
	go test -count=1 -tags deploy -run Deploy ./services/e2e/...

modules: ## Build each module alone, without the workspace.
	@for module in $(MODULES); do echo "build $$module"; (cd $$module && GOWORK=off go build ./... && GOWORK=off go vet ./...) || exit 1; done

bench: ## Run the benchmarks. They report and never fail.
	go test -run '^$$' -bench . -benchmem work

clean: ## Remove what was built (not .keyward, which holds data).
	rm -rf bin .bin third_party $(WEB)/node_modules $(WEB)/dist/assets $(WEB)/dist/index.html

# The tools are pinned by modules of their own, outside the workspace.
$(BIN)/buf: tools/gen/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/gen install tool
	@touch $@

$(BIN)/golangci-lint: tools/lint/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/lint install tool
	@touch $@

$(BIN)/grpcurl: tools/client/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/client install tool
	@touch $@

$(BIN)/helm: tools/helm/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/helm install tool
	@touch $@

$(BIN)/containers: tools/containers/go.mod tools/containers/main.go
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/containers install tool
	@touch $@

# Debian's package, unpacked and not installed: that would start a server.
$(BIN)/promtool:
	d=$$(mktemp -d) && cd $$d && apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb x && install -D x/usr/bin/promtool $(CURDIR)/$@ && rm -r $$d
