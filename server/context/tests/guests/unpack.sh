#!/bin/sh
# Unpacks Debian's cloud-init with what it needs, mtools and dosfstools below a folder, without installing
# anything, and beside it the newest cloud-init that Debian has. The folder is made whole or not at all.
set -eu
folder=$1
[ ! -e "$folder/done" ] || exit 0
rm -rf "$folder.new"
mkdir -p "$folder.new/root" "$folder.new/packages" "$folder.new/newest"
cd "$folder.new/packages"
apt-get -q download cloud-init python3-configobj python3-jinja2 python3-markupsafe python3-jsonpatch \
    python3-json-pointer python3-jsonschema python3-attr python3-pyrsistent python3-netifaces python3-oauthlib \
    python3-requests python3-urllib3 python3-chardet python3-certifi python3-idna python3-six python3-yaml \
    mtools dosfstools
for package in *.deb; do dpkg-deb -x "$package" ../root; done

# From unstable, with lists of its own.
apt=$folder.new/apt
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${MIRROR:-http://deb.debian.org/debian} unstable main" >"$apt/sources.list"
cd "$apt"
newest="apt-get -q -o Dir::Etc::SourceList=$apt/sources.list -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State=$apt/state -o Dir::Cache=$apt/cache -o Acquire::Languages=none"
# A keyring from before unstable's keys cannot tell; nothing of it is installed, and it is read by a test only.
$newest update || { sed -i 's/\[.*\]/[trusted=yes]/' sources.list && $newest update; }
$newest download cloud-init
dpkg-deb -x cloud-init_*.deb ../newest

cd ..
rm -r packages apt
touch done
rm -rf "$folder"
mv "$folder.new" "$folder"
