#!/bin/sh
# Builds the reference policies into policies/dist, or checks what is there. See policies/README.md.
#
#   policies/build.sh            build the components and write the manifest
#   policies/build.sh --check    compare sources with the manifest; rebuild and compare if possible
#   policies/build.sh --hashes   only compare sources with the manifest (under a second)
#   --install                    first install the distribution's wasm toolchain if none is there
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
. policies/build/toolchain.sh
. policies/build/manifest.sh

# rustup may neither fetch a channel nor a target on behalf of this script.
export RUSTUP_AUTO_INSTALL=0
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target/policies}"
mode=build
install=no
for argument in "$@"; do
    case $argument in
    --check) mode=check ;;
    --hashes) mode=hashes ;;
    --install) install=yes ;;
    *)
        echo "policies/build.sh: unknown argument $argument (known: --check, --hashes, --install)" >&2
        exit 2
        ;;
    esac
done

# Compiles all policies and leaves components in $CARGO_TARGET_DIR/components.
build_components() {
    echo "policies: building with $compiler ($route)"
    core=$CARGO_TARGET_DIR/wasm32-unknown-unknown/release
    out=$CARGO_TARGET_DIR/components
    mkdir -p "$out"
    cargo build --quiet --locked --manifest-path policies/Cargo.toml -p policies-encode
    packages=
    for policy in $(policy_names); do packages="$packages -p $policy"; done
    # shellcheck disable=SC2086 # a list of options
    wasm_cargo build --quiet --locked --release --manifest-path policies/Cargo.toml $packages
    for policy in $(policy_names); do
        "$CARGO_TARGET_DIR/debug/policies-encode" \
            "$core/$(echo "$policy" | tr - _).wasm" "$out/$policy.wasm"
    done
}

if [ "$mode" != build ]; then
    check_hashes
    [ "$mode" = check ] || exit 0
fi

[ "$install" = no ] || install_toolchain
if ! find_toolchain; then
    if [ "$mode" = check ]; then
        echo "policies: no wasm toolchain here, so the components were not rebuilt; the sources match"
        exit 0
    fi
    explain_toolchain >&2
    exit 1
fi
build_components

if [ "$mode" = build ]; then
    mkdir -p policies/dist
    for policy in $(policy_names); do
        # Renamed into place: a server or a test that starts meanwhile sees a whole file.
        cp "$out/$policy.wasm" "policies/dist/.$policy.new"
        mv "policies/dist/.$policy.new" "policies/dist/$policy.wasm"
    done
    write_manifest
    for policy in $(policy_names); do
        printf '%9d  policies/dist/%s.wasm\n' "$(wc -c <"policies/dist/$policy.wasm")" "$policy"
    done
else
    check_components
fi
