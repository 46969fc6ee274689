# Short names for ordinary tools; `make` alone lists them. Needed: Python 3.11 or newer. Used where present: uv, Node.js.
SHELL := bash
.DEFAULT_GOAL := help

BIN := .venv/bin
RIDERS ?= 200
PORT ?= 8080
SOAK_S ?= 900
FUZZ_S ?= 60
FUZZ_FRAMES ?= 10000000
WORKERS ?= 3

PAGE := src/stompede/apps/console/static/index.html
LOCKS := pyproject.toml uv.lock $(wildcard requirements/*.txt)
CLIENTS_OF_OTHERS := $(addprefix tests/clients/,npm/node_modules sockjs/node_modules python/.venv python/.suite maven/target/classes)
CLIENT := clients/js/dist/index.js
CLIENT_SOURCES := $(shell find clients/js/src clients/js/*.json -type f 2>/dev/null)
PAGE_SOURCES := $(shell find console -type f -not -path '*/node_modules/*' -not -path '*/.*' 2>/dev/null)

.PHONY: help run cluster test check bench conformance clients soak fuzz fuzz-keep proof services console console-test client client-test docs dist format lock

help: ## list these targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' Makefile | expand -t 16

run: .venv/.run console ## a node and simulated riders, on http://localhost:8080
	@$(BIN)/stompede demo --riders $(RIDERS)

cluster: .venv/.run console ## three nodes, Redis and HAProxy, on http://localhost:8080 (PORT); needs redis-server and haproxy
	@$(BIN)/python scripts/cluster.py --port $(PORT)

test: .venv/.dev console console-test client-test tests/asyncapi/node_modules tests/clients/sockjs/node_modules ## every test but the long ones
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not proof and not browser"
	@$(BIN)/pytest -m "browser and not proof"

console-test: console/node_modules ## the tests of the page's own parts
	@scripts/npm --prefix console test

client-test: .venv/.dev client ## the tests of the JavaScript client, with a node
	@scripts/npm --prefix clients/js test

check: .venv/.dev console/node_modules clients/js/node_modules ## format, lint, types, layers, docs, locks
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@scripts/npm --prefix console run check
	@scripts/npm --prefix clients/js run check
	@if command -v uv >/dev/null; then scripts/lock --check; fi

bench: .venv/.dev ## measure, and write the table of docs/benchmarks.md
	@$(BIN)/python -m benchmarks

conformance: .venv/.dev clients ## suites and clients that others wrote; writes the table of docs/compatibility.md
	@PYTHONPATH=tests $(BIN)/pytest -p compatibility --compatibility-page docs/compatibility-results.md tests/conformance tests/clients

clients: .venv/.dev $(CLIENTS_OF_OTHERS) ## the clients of others that tests/clients tries

soak: .venv/.dev ## clients come, work and go in bad ways, SOAK_S seconds long (900); nothing of them may be left
	@STOMPEDE_SOAK_S=$(SOAK_S) $(BIN)/pytest -m proof -o log_cli=true -o log_cli_level=INFO tests/soak

fuzz: .venv/.dev .venv/.fuzz ## the wire and a node under the fuzzer: FUZZ_S seconds a target (60), FUZZ_FRAMES mutated frames (10000000)
	@STOMPEDE_FUZZ_S=$(FUZZ_S) STOMPEDE_FUZZ_FRAMES=$(FUZZ_FRAMES) $(BIN)/pytest -m proof tests/fuzz

fuzz-keep: .venv/.dev .venv/.fuzz ## take what the fuzzer has found into tests/fuzz/corpus
	@$(BIN)/python tests/fuzz/keep.py

proof: .venv/.dev console conformance soak fuzz ## the tests that take long
	@$(BIN)/pytest -m proof --ignore=tests/clients --ignore=tests/soak --ignore=tests/fuzz

services: ## the programs that tests drive: Chromium, promtool, a C compiler, Redis, Kafka, HAProxy, nginx, clients in Java, PHP, Ruby, Perl (Debian and Ubuntu, as root)
	@scripts/services
	@$(MAKE) --no-print-directory tests/kafka/target/lib

console: $(PAGE) ## build the page that the node serves

client: $(CLIENT) ## build the JavaScript client

docs: .venv/.dev ## the documentation, live, on http://127.0.0.1:8000
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

dist: .venv/.dev console ## sdist and wheel, with the built page
	@$(BIN)/python -m hatchling build

format: .venv/.dev ## let ruff format and fix
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: ## bring the lock files up to pyproject.toml (needs uv)
	@scripts/lock

.venv/.%: $(LOCKS)
	@scripts/venv $*
	@touch $@

console/node_modules: console/package-lock.json
	@scripts/npm --prefix console ci --no-fund --no-audit --loglevel=error
	@touch $@

clients/js/node_modules: clients/js/package-lock.json
	@scripts/npm --prefix clients/js ci --no-fund --no-audit --loglevel=error
	@touch $@

tests/asyncapi/node_modules tests/clients/npm/node_modules tests/clients/sockjs/node_modules: %/node_modules: %/package-lock.json
	@scripts/npm --prefix $* ci --no-fund --no-audit --loglevel=error
	@touch $@

$(CLIENT): $(CLIENT_SOURCES) | clients/js/node_modules
	@scripts/npm --prefix clients/js run --silent build
	@touch $@

tests/clients/maven/target/classes: tests/clients/maven/pom.xml tests/clients/maven/Probe.java
	@cd tests/clients/maven && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=target/lib
	@cd tests/clients/maven && javac -d target/classes -cp 'target/lib/*' Probe.java
	@touch $@

tests/kafka/target/lib: tests/kafka/pom.xml
	@cd tests/kafka && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=target/lib
	@touch $@

tests/clients/python/.venv: tests/clients/python/requirements.txt | .venv/.dev
	@$(BIN)/python -m venv --clear $@
	@$@/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

tests/clients/python/.suite: tests/clients/python/suite.txt | tests/clients/python/.venv
	@rm -rf $@ && mkdir $@
	@tests/clients/python/.venv/bin/python -m pip download --quiet --disable-pip-version-check --require-hashes \
		--no-deps --no-binary :all: --dest $@ -r $<
	@tar -xzf $@/*.tar.gz -C $@ && touch $@

$(PAGE): $(PAGE_SOURCES) | console/node_modules
	@scripts/npm --prefix console run --silent build
	@touch $@
