# shellcheck shell=sh
# What policies/dist was made of: written after a build, compared by the checks. Sourced by build.sh.

manifest=policies/dist/MANIFEST.toml

# Every folder that builds a component.
policy_names() {
    for crate in policies/*/Cargo.toml; do
        if grep -q cdylib "$crate"; then basename "$(dirname "$crate")"; fi
    done
}

digest() {
    sha256sum "$1" | cut -d ' ' -f 1
}

# One digest for many files: of their digests and names, sorted. Documentation is left out.
digest_of() {
    find "$@" -type f \( -name '*.rs' -o -name '*.wit' -o -name Cargo.toml \) -print |
        LC_ALL=C sort | while IFS= read -r file; do sha256sum "$file"; done |
        sha256sum | cut -d ' ' -f 1
}

# manifest_value SECTION KEY: empty if there is none.
manifest_value() {
    [ -f $manifest ] || return 0
    awk -v section="$1" -v key="$2" '
        /^\[/ { current = substr($0, 2, length($0) - 2); next }
        current == section && $1 == key {
            sub(/^[^=]*= */, ""); gsub(/"/, ""); print; exit
        }' $manifest
}

# Name and digest of everything that all components depend on.
inputs() {
    echo "wit $(digest_of wit/policy-v1)"
    echo "lock $(digest policies/Cargo.lock)"
    echo "workspace $(digest_of policies/Cargo.toml policies/encode)"
    echo "sdk $(digest_of sdk/rust/Cargo.toml sdk/rust/src)"
}

write_manifest() {
    {
        echo "# Written by policies/build.sh; policies/README.md says what it is for."
        echo "route = \"$route\""
        echo "compiler = \"$compiler\""
        inputs | while read -r name hash; do echo "$name = \"$hash\""; done
        for policy in $(policy_names); do
            echo
            echo "[components.$policy]"
            echo "sha256 = \"$(digest "policies/dist/$policy.wasm")\""
            echo "size = $(wc -c <"policies/dist/$policy.wasm" | tr -d ' ')"
            echo "sources = \"$(digest_of "policies/$policy")\""
        done
    } >$manifest.new
    mv $manifest.new $manifest
}

# expect WHAT RECORDED PRESENT: counts a difference in $different.
expect() {
    if [ "$2" != "$3" ]; then
        echo "policies: $1 is not what policies/dist was made of" >&2
        different=$((different + 1))
    fi
}

finish_check() {
    [ "$different" -eq 0 ] && return 0
    echo "policies: $1" >&2
    exit 1
}

# Needs no compiler.
check_hashes() {
    if [ ! -f $manifest ]; then
        echo "policies: $manifest is missing; run make policies" >&2
        exit 1
    fi
    different=0
    for pair in $(inputs | tr ' ' '='); do
        expect "${pair%%=*}" "$(manifest_value '' "${pair%%=*}")" "${pair#*=}"
    done
    for policy in $(policy_names); do
        section=components.$policy
        expect "policies/$policy" "$(manifest_value $section sources)" \
            "$(digest_of "policies/$policy")"
        file=policies/dist/$policy.wasm
        if [ -f "$file" ]; then
            expect "$file" "$(manifest_value $section sha256)" "$(digest "$file")"
        else
            echo "policies: $file is missing" >&2
            different=$((different + 1))
        fi
    done
    finish_check "run make policies and commit policies/dist"
    echo "policies: sources and components match $manifest"
}

# After a rebuild: the same compiler must give the same bytes; others cannot be compared.
check_components() {
    if [ "$(manifest_value '' route) $(manifest_value '' compiler)" != "$route $compiler" ]; then
        echo "policies: built, but digests are comparable only with the recorded compiler," \
            "$(manifest_value '' compiler) ($(manifest_value '' route))"
        return 0
    fi
    different=0
    for policy in $(policy_names); do
        expect "the rebuilt $policy.wasm" \
            "$(manifest_value "components.$policy" sha256)" "$(digest "$out/$policy.wasm")"
    done
    finish_check "the build is not reproducible: same sources and compiler, other bytes"
    echo "policies: rebuilt components are the same bytes"
}
