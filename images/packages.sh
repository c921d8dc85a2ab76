#!/bin/sh
# Unpacks packages of Debian, with all that they depend on, into a folder, as nobody in particular.
#
#   packages.sh FOLDER PACKAGE...
#
# Nothing is installed and this machine's own sources of packages do not matter: apt works in a folder
# of its own beside FOLDER. `FOLDER.list` says which versions these are: from the same ones the same images
# come, byte for byte.

set -eu
umask 022
: "${MIRROR:=http://deb.debian.org/debian}" "${SUITE:=bookworm}"

folder=$1
shift
mkdir -p "$(dirname "$folder")"
apt=$(cd "$(dirname "$folder")" && pwd)/apt
keys=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keys" ] || { echo "packages.sh: $keys is missing: apt-get install debian-archive-keyring" >&2; exit 1; }
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/parts"
# Nothing is installed, as far as this apt knows: so it finds every package that is depended on.
: >"$apt/status"
echo "deb [arch=amd64 signed-by=$keys] $MIRROR $SUITE main" >"$apt/sources.list"
case "$SUITE" in
    bookworm) echo "deb [arch=amd64 signed-by=$keys] $MIRROR-security $SUITE-security main" >>"$apt/sources.list" ;;
esac

get() {
    apt-get -qq -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o Dir::State::status="$apt/status" \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Dir::Etc::sourcelist="$apt/sources.list" \
        -o Dir::Etc::sourceparts="$apt/parts" -o Dir::Etc::preferencesparts="$apt/parts" -o Debug::NoLocking=1 \
        -o APT::Sandbox::User= -o APT::Get::List-Cleanup=0 -o APT::Install-Recommends=0 "$@"
}
[ -n "$(find "$apt/lists" -name '*Packages*' -mmin -60 2>/dev/null)" ] || get update
get --yes --download-only install "$@" >/dev/null

rm -rf "$folder" "$folder.list"
mkdir -p "$folder"
# What has been fetched already is not named: so as if nothing had been.
mkdir -p "$apt/nothing/partial"
get --yes --print-uris -o Dir::Cache::archives="$apt/nothing" install "$@" |
    sed "s/^'[^']*' \([^ ]*\) .*/\1/" | LC_ALL=C sort >"$folder.names"
[ -s "$folder.names" ] || { echo "packages.sh: apt named no packages" >&2; exit 1; }
while read -r name; do
    # Each package has its own idea of whether /lib is a folder; none of them is installed here.
    dpkg-deb --extract "$apt/cache/archives/$name" "$folder"
done <"$folder.names"
mv "$folder.names" "$folder.list"
