#!/bin/sh
# Installs the toolchains that policies are built with in languages other than Rust, at fixed versions, into a
# folder: `sdk/install.sh FOLDER`. Says what could not be had, and leaves in FOLDER/env what was: variables that
# `cascina policy build` reads. Tests of a language run where its variable is set.
set -u

folder=${1:?usage: sdk/install.sh FOLDER}
componentize_py=0.25.1
jco=1.35.0
mkdir -p "$folder"
folder=$(CDPATH='' cd -- "$folder" && pwd)
: >"$folder/env.new"

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

missing() {
    echo "sdk: no $1: $2" >&2
}

# C: the distribution's clang, with the parts for WebAssembly.
has_clang() {
    command -v clang-19 >/dev/null && [ -f /usr/include/wasm32-wasi/stdlib.h ] && command -v wasm-ld-19 >/dev/null
}
if ! has_clang && command -v apt-get >/dev/null; then
    as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 >/dev/null
fi
if has_clang; then
    echo "CASCINA_CLANG=$(command -v clang-19)" >>"$folder/env.new"
else
    missing C "apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 did not bring it"
fi

# A registry on loopback, for the test of `oci://`.
if [ ! -x /usr/bin/docker-registry ] && command -v apt-get >/dev/null; then
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends docker-registry >/dev/null ||
        missing "OCI registry" "apt-get install docker-registry did not bring it"
fi

# Python: componentize-py in a folder of its own.
python=$folder/python
if [ ! -x "$python/bin/componentize-py" ] ||
    [ "$("$python/bin/componentize-py" --version 2>/dev/null)" != "componentize-py $componentize_py" ]; then
    rm -rf "$python"
    python3 -m venv "$python" &&
        "$python/bin/pip" install --quiet --disable-pip-version-check "componentize-py==$componentize_py"
fi
if [ -x "$python/bin/componentize-py" ]; then
    echo "CASCINA_COMPONENTIZE_PY=$python/bin/componentize-py" >>"$folder/env.new"
else
    missing Python "pip could not install componentize-py $componentize_py"
fi

# JavaScript: jco, which needs Node.js 20 or newer.
node=$folder/node
if [ ! -x "$node/node_modules/.bin/jco" ] && command -v npm >/dev/null; then
    mkdir -p "$node"
    echo '{"private": true}' >"$node/package.json"
    npm install --prefix "$node" --silent --no-audit --no-fund "@bytecodealliance/jco@$jco"
fi
if [ -x "$node/node_modules/.bin/jco" ] && "$node/node_modules/.bin/jco" --version >/dev/null 2>&1; then
    echo "CASCINA_JCO=$node/node_modules/.bin/jco" >>"$folder/env.new"
else
    missing JavaScript "Node.js 20 or newer with npm is needed for jco $jco"
fi
mv "$folder/env.new" "$folder/env"
