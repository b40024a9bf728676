# The two lines of the README, and the rest of a day's work.
# TEXTS is the folder of the private texts; without it essgraph looks into data/texts.
HOST ?= 127.0.0.1
PORT ?= 8000
TEXTS ?=
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
with_texts = $(if $(TEXTS),--texts $(TEXTS))

.PHONY: serve test screenshots tools check bench validate lock clean

serve: .venv/run
	$(BIN)/essgraph build $(with_texts)
	exec $(BIN)/essgraph serve $(with_texts) --host $(HOST) --port $(PORT)

test: .venv/test tools tests/node_modules build/w3c
	ESSGRAPH_TEXTS=$(abspath $(TEXTS)) $(BIN)/python -m pytest -n auto

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

screenshots: .venv/test
	$(BIN)/essgraph build $(with_texts)
	$(BIN)/python tests/screenshots.py build

validate: .venv/run
	$(BIN)/essgraph validate $(with_texts)

bench: .venv/bench build/peers
	command -v wrk >/dev/null || { apt-get update -qq && apt-get install -qq wrk; }
	$(BIN)/python -m bench

# Pins with hashes, of what the tests ran with, for every platform; no registry address.
PINS = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url
COMPILE = $(PINS) pyproject.toml --extra build
lock: .venv/run
	$(PIP) install uv
	$(COMPILE) --upgrade --output-file constraints.txt
	$(COMPILE) --extra test --constraint constraints.txt --output-file constraints-test.txt
	$(COMPILE) --extra bench --constraint constraints.txt --output-file constraints-bench.txt
	$(PINS) --upgrade --output-file constraints-peers.txt bench/peers.in

.venv/run: pyproject.toml constraints.txt hatch_build.py web/package-lock.json web/build.mjs
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --requirement constraints.txt --require-hashes
	command -v npm >/dev/null || $(PIP) install --requirement constraints-node.txt --require-hashes
	$(PIP) install --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q src  # as pip does; some shells forbid it at the first start
	touch $@

.venv/test: .venv/run constraints-test.txt
	$(PIP) install --requirement constraints-test.txt --require-hashes
	touch $@

.venv/bench: .venv/run constraints-bench.txt
	$(PIP) install --requirement constraints-bench.txt --require-hashes
	touch $@

build/peers: constraints-peers.txt
	$(PYTHON) -m venv --clear $@
	$@/bin/pip --disable-pip-version-check --quiet install --requirement $< --require-hashes

# Readers and clients that are not ours. Where they cannot be installed, tests skip and say so.
tools:
	-{ command -v roqet && command -v chromium && command -v apache2 && command -v virtuoso-t \
	&& command -v bwrap && command -v systemd-analyze && command -v nginx; } \
	>/dev/null \
	|| test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null \
	|| { apt-get update -qq && apt-get install -qq --no-install-recommends \
	raptor2-utils rasqal-utils chromium apache2-bin virtuoso-opensource-7-bin \
	bubblewrap systemd nginx-light; }

tests/node_modules: tests/package-lock.json
	-! command -v npm >/dev/null || npm ci --prefix tests --ignore-scripts --no-audit --no-fund --silent
	test ! -d $@ || touch $@

# The W3C's SPARQL 1.1 suites, from the source archive of rdflib, which carries them.
build/w3c: tests/w3c.txt | .venv/run
	$(PIP) download --no-deps --no-binary rdflib --require-hashes -r tests/w3c.txt -d build
	rm -rf $@ && mkdir $@
	tar -xzf build/rdflib-*.tar.gz -C $@ --strip-components 5 --wildcards '*/suites/w3c/sparql11'
	rm build/rdflib-*.tar.gz

clean:
	rm -rf .venv build dist tests/node_modules web/node_modules src/essgraph/service/static/built
