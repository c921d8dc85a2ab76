# Everything that the project is built and tested with. CI calls `make test` and nothing else.

CARGO ?= cargo
export CARGO_TERM_COLOR ?= never

.PHONY: demo demo-qemu test test-qemu lint deps clients languages policies bench soak images qemu

# A server on simulated hosts, and what people do with it, in about half a minute after building. It
# goes on until Ctrl-C; `make demo KEEP=0` ends it, `make demo TRACE=folder` replays your own trace.
demo: deps
	$(CARGO) build -p cascina
	@sh demo/demo.sh

# The same on real virtual machines: two private libvirt daemons as hosts, routers and guests made here from
# Debian's packages, KVM where it works and emulated processors where not. Needs root; what it makes, it removes.
demo-qemu: qemu
	$(CARGO) build --workspace
	$(CLIENTS)/bin/python tests/qemu/farm.py

# Everything that needs real hosts: filters against attacks, gateways, the demo, and the same with all that can
# die dying.
test-qemu: qemu
	$(CARGO) build --workspace
	tests/qemu/drivers.sh
	$(CLIENTS)/bin/python tests/qemu/farm.py
	$(CLIENTS)/bin/python tests/qemu/crash.py

qemu: deps clients
	sh tests/qemu/install.sh
	$(MAKE) -C images

# Format, clippy, unit, property and end-to-end tests; the policies are tested, rebuilt with the
# distribution's compiler where it can be installed, and compared with what is kept.
test: deps clients languages lint
	$(CARGO) test --workspace --no-fail-fast
	$(CARGO) test --manifest-path policies/Cargo.toml --no-fail-fast
	sh policies/build.sh --check --install

lint:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path benches/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) fmt --manifest-path policies/Cargo.toml --all --check
	$(CARGO) clippy --manifest-path policies/Cargo.toml --all-targets -- -D warnings

# Ten thousand schedules of commands, faults and crashes in virtual time, each from its own seed; and
# whatever may come to the EC2 API, for half a minute.
SEEDS ?= 0..10000
soak:
	$(CARGO) build --release -p cascina
	target/release/cascina simulate schedules --seeds $(SEEDS)
	$(CARGO) run --release -p cascina-ec2 --example fuzz -- --seconds 30

# A C compiler for SQLite, and the headers of libvirt, are all that is needed beside Rust.
AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo)
deps:
	@command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer first"; exit 1; }
	@command -v cc >/dev/null || { $(AS_ROOT) apt-get update -q && $(AS_ROOT) apt-get install -qy build-essential; } \
		|| { echo "a C compiler is missing: apt-get install build-essential"; exit 1; }
	@pkg-config --exists libvirt 2>/dev/null || { $(AS_ROOT) apt-get update -q && $(AS_ROOT) apt-get install -qy libvirt-dev pkg-config; } \
		|| { echo "libvirt's headers are missing: apt-get install libvirt-dev pkg-config, or build with --no-default-features"; exit 1; }

# Stock EC2 clients, which the tests drive the program with, at fixed versions, in a folder of their own.
CLIENTS = target/clients
clients: $(CLIENTS)/installed
$(CLIENTS)/installed: tests/clients/requirements.txt
	@python3 -m venv --help >/dev/null 2>&1 && python3 -m ensurepip --version >/dev/null 2>&1 \
		|| { $(AS_ROOT) apt-get update -q && $(AS_ROOT) apt-get install -qy python3-venv; } \
		|| { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	rm -rf $(CLIENTS)
	python3 -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	touch $@

# What policies are built with in Python, JavaScript and C; the tests of a language run where it could be had.
LANGUAGES = target/languages
languages: $(LANGUAGES)/env
$(LANGUAGES)/env: sdk/install.sh
	sh sdk/install.sh $(LANGUAGES)

# Rebuilds policies/dist; says what to install if no compiler for wasm32 is there.
policies:
	sh policies/build.sh

# What runs on real hosts: the router of a farm, and guests to test with. Says what to install if something
# is missing; `make images REFRESH=1` takes what is newer in Debian by now.
images:
	$(MAKE) -C images

# Prints the tables of docs/performance.md; ten minutes after building, on a machine that does nothing else.
# The comparisons bring other policy engines along, which no other target builds.
bench:
	$(CARGO) build --release --manifest-path benches/Cargo.toml
	target/release/decision
	target/release/load
	target/release/size
	$(CARGO) bench -p cascina-store
