#!/bin/bash
# What drivers make of hosts, tried on real ones: filters with forged frames, images that go from host to host,
# gateways in namespaces. As root.
set -euo pipefail
cd "$(dirname "$0")/../.."
run=$(mktemp -d /tmp/cd.XXXXXX)
trap 'tests/qemu/hosts.sh down "$run"' EXIT
eval "$(tests/qemu/hosts.sh up "$run" 2)"
"${CARGO:-cargo}" test --workspace --test filters -- --ignored --test-threads 1 --nocapture
"${CARGO:-cargo}" test --workspace --test images -- --ignored --test-threads 1 --nocapture
"${CARGO:-cargo}" test --workspace --lib -- --ignored --test-threads 1 netns::
