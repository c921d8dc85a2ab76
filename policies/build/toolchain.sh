# shellcheck shell=sh
# Finding a compiler for wasm32-unknown-unknown. Sourced by build.sh.

distribution_rustc=${CASCINA_WASM_RUSTC:-/usr/bin/rustc}
target=wasm32-unknown-unknown

# Route "target": the standard library for the target is installed beside the ordinary compiler.
has_target() {
    libdir=$(rustc --print target-libdir --target $target 2>/dev/null) || return 1
    ls "$libdir"/libstd-*.rlib >/dev/null 2>&1
}

# Route "build-std": a compiler with the sources of its own standard library, of the same release.
has_sources() {
    [ -x "$distribution_rustc" ] || return 1
    sysroot=$("$distribution_rustc" --print sysroot 2>/dev/null) || return 1
    [ -f "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ] || return 1
    # Edition 2024 and the language features in use need at least this one.
    minor=$("$distribution_rustc" --version | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
    [ "${minor:-0}" -ge 95 ] && find_linker
}

# Any LLD will do; the components are the same bytes.
find_linker() {
    for candidate in \
        "$(rustc --print sysroot 2>/dev/null)"/lib/rustlib/*/bin/rust-lld \
        "$sysroot"/lib/rustlib/*/bin/rust-lld; do
        if [ -x "$candidate" ]; then
            linker=$candidate
            return 0
        fi
    done
    for candidate in wasm-ld wasm-ld-22 wasm-ld-21 wasm-ld-20 wasm-ld-19; do
        if linker=$(command -v $candidate); then return 0; fi
    done
    return 1
}

use_target() {
    route=target
    compiler=$(rustc --version)
}

use_sources() {
    route=build-std
    compiler=$("$distribution_rustc" --version)
}

# Sets $route and $compiler. The compiler that the manifest records goes first if it is here, so
# that rebuilding changes no bytes without need.
find_toolchain() {
    recorded="$(manifest_value '' route) $(manifest_value '' compiler)"
    if has_target; then
        use_target
        [ "$recorded" != "$route $compiler" ] || return 0
        if has_sources; then
            use_sources
            [ "$recorded" != "$route $compiler" ] || return 0
            use_target
        fi
        return 0
    fi
    has_sources && use_sources
}

# Cargo for the target, with nothing of this machine in the result: paths of the checkout, of the
# registry's sources and of the standard library are replaced.
wasm_cargo() {
    separator=$(printf '\037')
    flags="--remap-path-prefix=$root=/cascina"
    cargo fetch --quiet --locked --manifest-path policies/Cargo.toml
    for registry in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/; do
        flags="$flags$separator--remap-path-prefix=${registry%/}=/registry"
    done
    if [ $route = target ]; then
        CARGO_ENCODED_RUSTFLAGS="$flags" cargo "$@" --target $target
    else
        flags="$flags$separator--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust"
        # The released compiler builds its own library only when told that this is intended.
        RUSTC="$distribution_rustc" RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS="$flags" \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" \
            cargo "$@" --target $target -Zbuild-std=std,panic_abort
    fi
}

# The distribution's route; rustup's would need its download server.
install_toolchain() {
    if has_target || has_sources; then return 0; fi
    if ! command -v apt-get >/dev/null; then
        echo "policies: --install knows only apt-get, which is not here" >&2
        return 0
    fi
    packages="rustc-web rust-web-src"
    linker=
    sysroot=/nonexistent
    find_linker || packages="$packages lld-19"
    echo "policies: installing $packages"
    # shellcheck disable=SC2086 # a list of packages
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $packages >/dev/null; }; then
        echo "policies: apt-get could not install $packages" >&2
    fi
}

explain_toolchain() {
    cat <<'TEXT'
policies: there is no compiler for wasm32-unknown-unknown here. Install either of these:

  rustup target add wasm32-unknown-unknown         where rustup manages the compiler
  apt-get install rustc-web rust-web-src lld-19    on Debian: 1.95 or newer, with its sources
                                                   (policies/build.sh --install does it)

CASCINA_WASM_RUSTC names another rustc whose sysroot has lib/rustlib/src/rust.
The components in policies/dist are good as they are; only changing a policy needs this.
TEXT
}
