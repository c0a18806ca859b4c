# Two commands matter: `make run` and `make test`. `make help` lists the rest.

MODULES := proto pkg pkg/client services examples
BIN     := .bin
WEB     := services/console/web
SITE    := tools/site
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What touches keys is erased from memory: runtime/secret, see pkg/memory.
export GOEXPERIMENT := runtimesecret

.DEFAULT_GOAL := help
.PHONY: help run test test-race torture check build console console-test console-gen docs docs-gen gen check-gen breaking lint words fuzz interop memory readme deploy-check modules bench bench-scale bench-go clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Build and start everything in one process on this machine. Data stays in .keyward.
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory console || echo "The console was not built. Everything else works."; fi
	@$(MAKE) --no-print-directory build
	@exec bin/standalone --dir .keyward

test: ## Run all tests. Needs Go and make.
	tools/gotest -count=1 -timeout=30m work

test-race: ## Run all tests with the race detector. Takes longer; needs a C compiler, too.
	tools/gotest -race -count=1 -timeout=30m work

# Flags: `make torture TORTURE='-rounds 100 -seed 7'`; `-duration 90s` ends it earlier.
torture: ## Kill the vault and the allowlist 1,000 times under load. Nothing acknowledged may be lost. Takes under an hour.
	go test -count=1 -tags=torture -run=Torture -timeout=2h -v ./services/e2e -args $(TORTURE)

# In this order: the programs that are built after the console have it in them.
CHECKS := check-gen breaking console lint test-race torture console-test interop memory docs readme deploy-check examples reproducible fuzz modules
check: FUZZTIME := 2s
check: TORTURE := -duration 90s
check: ## Run all that CI runs. Needs all that the targets below need, and root.
	@start=$$(date +%s); for step in $(CHECKS); do \
		echo; echo "== $$step ($$(($$(date +%s) - start))s)"; \
		$(MAKE) --no-print-directory $$step FUZZTIME=$(FUZZTIME) TORTURE='$(TORTURE)' || exit 1; done

build: ## Build the programs into bin/.
	@mkdir -p bin
	go build -tags=grpcnotrace -o bin/ ./services/cmd/...

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
	buf generate --template buf.gen.stored.yaml
	buf generate --template buf.gen.stored.vault.yaml

console-gen: gen $(WEB)/node_modules/.package-lock.json ## Generate what the web page takes from the protos, too. Needs Node 20 and npm.
	cd $(WEB) && npm run gen

docs-gen: ## Generate the reference parts of docs/: settings, flags and presets.
	GOWORK=off go -C tools/docs run . $(CURDIR)
	go run ./services/allowlist/internal/preset/catalog/generate $(CURDIR)

docs: $(SITE)/node_modules/.package-lock.json ## Build the documentation site in tools/site/dist. Needs Node 20 and npm.
	cd $(SITE) && npm run build

$(SITE)/node_modules/.package-lock.json: $(SITE)/package.json $(SITE)/package-lock.json
	cd $(SITE) && npm ci
	@touch $@

check-gen: console-gen docs-gen ## Generate, and fail if that changes anything.
	@git --no-pager diff --stat -- proto docs/configuration.md docs/presets $(WEB)/src/gen $(WEB)/src/allowlist/samples.json
	@test -z "$$(git status --porcelain -- proto docs/configuration.md docs/presets $(WEB)/src/gen $(WEB)/src/allowlist/samples.json | tee /dev/stderr)"

breaking: $(BIN)/buf ## Compare the contract with that of the last release, in proto/released.
	tools/breaking

lint: words $(BIN)/golangci-lint $(BIN)/buf $(WEB)/node_modules/.package-lock.json ## Run the linters. Needs Node 20 and npm.
	@for module in $(MODULES); do echo "lint $$module"; (cd $$module && golangci-lint run ./...) || exit 1; done
	@echo "lint $(WEB)" && cd $(WEB) && npm run --silent lint

# The words of docs/glossary.md. Each kind of file has its prose; see tools/lint/words.
words: $(BIN)/words ## Check the words of comments, texts and pages.
	GOWORK=off go -C tools/lint test ./words
	@git ls-files '*.go' '*.proto' '*.md' '*.ts' '*.tsx' '*.mjs' 'services/allowlist/internal/preset/presets/*.json' '$(WEB)/src/text/*.json' deploy/prometheus deploy/helm/keyward/files \
		':!proto/gen' ':!$(WEB)/src/gen' ':!tools/lint/words' ':!docs/glossary.md' | xargs words tools/lint/words/words.txt

fuzz: ## Fuzz every target for FUZZTIME (10s).
	tools/fuzz $(or $(FUZZTIME),10s)

PARTNERS := services/e2e/testdata/interop
interop: $(PARTNERS)/node_modules/.package-lock.json $(BIN)/local-kms ## Check payloads against partners' tools, both ways, and key providers. Needs npm, openssl, python3, gpg, strace, root, iproute2, cgo, softhsm2, opensc; a JDK counts.
	tools/gotest -count=1 -tags=interop -run=Interop ./services/...
	tools/gotest -count=1 -tags=interop,pkcs11 -run=Interop ./pkg/keyring/kek

$(PARTNERS)/node_modules/.package-lock.json: $(PARTNERS)/package-lock.json
	npm ci --silent --prefix $(PARTNERS)
	@touch $@

memory: ## Dump the memory of running programs and look for values in it. Needs root and gdb.
	tools/gotest -count=1 -tags=memory -run=Memory ./services/e2e/...

readme: $(BIN)/grpcurl $(WEB)/node_modules/.package-lock.json ## Run the commands of README.md and docs/. Needs curl, jq, openssl, Node 20, npm.
	tools/gotest -count=1 -tags=readme -run=Readme ./services/e2e/...

deploy-check: $(BIN)/helm $(BIN)/containers $(BIN)/promtool $(BIN)/grpcurl ## Check deploy/. Needs root, bash, curl, jq, openssl, strace, systemd.
	tools/gotest -count=1 -tags=deploy -run=Deploy ./services/e2e/...

modules: ## Build each module alone, without the workspace.
	@for module in $(MODULES); do echo "build $$module"; (cd $$module && GOWORK=off go build ./... && GOWORK=off go vet ./...) || exit 1; done

# Flags of the benchmark: `make bench BENCH='--cases=Get --callers=16'`; see `bin/bench load --help`.
bench: build ## Measure the programs, apart and with mutual TLS, against bare servers. Linux; about 8 minutes.
	go build -o bin/ ./services/bench
	bin/bench load $(BENCH)

bench-scale: build ## Measure stores of up to 1,000,000 secrets. Linux; 30 minutes at first, to fill them.
	go build -o bin/ ./services/bench
	bin/bench scale $(BENCH)

bench-go: ## Run the benchmarks of the packages. They report and never fail.
	go test -run '^$$' -bench . -benchmem work

clean: ## Remove what was built (not .keyward, which holds data).
	rm -rf bin .bin release third_party $(WEB)/node_modules $(WEB)/dist/assets $(WEB)/dist/index.html $(SITE)/node_modules $(SITE)/dist

# The tools are pinned by modules of their own, outside the workspace.
$(BIN)/buf: tools/gen/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/gen install tool
	@touch $@

$(BIN)/golangci-lint: tools/lint/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/lint install tool
	@touch $@

$(BIN)/words: $(wildcard tools/lint/words/*.go)
	GOWORK=off go -C tools/lint build -o $(CURDIR)/$@ ./words

$(BIN)/grpcurl: tools/client/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/client install tool
	@touch $@

$(BIN)/local-kms: tools/kms/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/kms install tool
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

# Release: see docs/releasing.md.
.PHONY: contract release reproducible examples

RELEASE_TOOLS := $(BIN)/buf $(BIN)/cyclonedx-gomod

contract: $(BIN)/buf ## Keep the contract as that of VERSION, for `make breaking` to compare with.
	tools/contract $(VERSION)

release: $(RELEASE_TOOLS) ## Make the archives of VERSION in release/. Needs Node 20, npm, jq.
	tools/release $(VERSION)

reproducible: $(RELEASE_TOOLS) ## Release twice and compare; check the archives and `make breaking`. Needs Node 20, npm, jq.
	go test -count=1 -timeout 30m -tags release -run 'Release|Breaking' ./services/e2e/...

examples: ## Run the services of examples/ against their partner. Needs curl, openssl, Node 20, python3.
	go test -count=1 -tags examples -run Examples ./services/e2e/...

$(BIN)/cyclonedx-gomod: tools/sbom/go.mod
	GOWORK=off GOBIN=$(CURDIR)/$(BIN) go -C tools/sbom install tool
	@touch $@
