#!/bin/bash
# What drivers make of hosts, tried on real ones: filters with forged frames, images that go from host to host,
# gateways in namespaces, domains, and all that the libvirt driver does, with moves and copies that are killed half-way.
# As root. Where processors are emulated the libvirt driver takes eleven minutes on a busy machine of two, most of it in
# moves that are killed at twelve moments each; domains take 44 s, VLANs 40 s.
set -euo pipefail
cd "$(dirname "$0")/../.."
run=$(mktemp -d /tmp/cd.XXXXXX)
trap 'tests/qemu/hosts.sh down "$run"' EXIT
CASCINA_TEST_ACCELERATOR=$(images/accelerator.sh)
export CASCINA_TEST_ACCELERATOR
eval "$(tests/qemu/hosts.sh up "$run" 2)"
"${CARGO:-cargo}" test --workspace --test filters -- --ignored --test-threads 1 --nocapture
"${CARGO:-cargo}" test --workspace --test images -- --ignored --test-threads 1 --nocapture
"${CARGO:-cargo}" test --workspace --lib -- --ignored --test-threads 1 netns::
"${CARGO:-cargo}" test --workspace --test domain -- --ignored --test-threads 1 --nocapture
"${CARGO:-cargo}" test --workspace --test libvirt -- --ignored --test-threads 1 --nocapture
"${CARGO:-cargo}" test --workspace --test overhead -- --ignored --nocapture
tests/qemu/vlan.sh
