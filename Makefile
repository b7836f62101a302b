# The whole of what a user or a developer starts; each target installs what it needs.
PROGRAMS := rondo rondo-server rondo-worker rondo-rank
.DEFAULT_GOAL := help
.PHONY: help deps build test chaos check tidy format quickstart clean

help:       ## this list
	@sed -n 's/^\([a-z]*\): *## /\1|/p' $(MAKEFILE_LIST) | awk -F '|' '{printf "make %-11s %s\n", $$1, $$2}'

deps:       ## installs Debian and PyPI packages, pinned (CUDA=1 or 0, CHECKS=1); again at no cost
	@tools/install_deps.sh

build:      ## rondo, rondo-server, rondo-worker and rondo-rank in build/bin
build: deps
	@tools/build.sh $(PROGRAMS)

test:       ## every test
	@CHECKS=1 FUZZ=1 tools/install_deps.sh
	@tools/test.sh

chaos:      ## the long form of the fault tests: kills, lost workers, calls that go astray, a soak, TSan, fuzzing; an hour and a quarter
	@CHECKS=1 FUZZ=1 tools/install_deps.sh
	@tools/chaos.sh

check:      ## layers and format, without a build
check: deps
	@tools/check.sh

tidy:       ## clang-tidy, thread safety analysis and self-contained headers; three quarters of an hour
	@TIDY=1 tools/install_deps.sh
	@tools/tidy.sh

format:     ## formats the sources in place
format: deps
	@tools/format.sh

quickstart: ## from nothing to a quantized demo model, with a table at the end
	@CHECKS=1 tools/install_deps.sh
	@tools/quickstart.sh

clean:      ## removes build/ (installed packages stay)
	rm -rf build
