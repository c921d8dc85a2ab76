#!/bin/sh
# Unpacks Debian's cloud-init with what it needs, mtools and dosfstools below a folder, without installing
# anything. The folder is made whole or not at all.
set -eu
folder=$1
[ ! -e "$folder/done" ] || exit 0
rm -rf "$folder.new"
mkdir -p "$folder.new/root" "$folder.new/packages"
cd "$folder.new/packages"
apt-get -q download cloud-init python3-configobj python3-jinja2 python3-markupsafe python3-jsonpatch \
    python3-json-pointer python3-jsonschema python3-attr python3-pyrsistent python3-netifaces python3-oauthlib \
    python3-requests python3-urllib3 python3-chardet python3-certifi python3-idna python3-six python3-yaml \
    mtools dosfstools
for package in *.deb; do dpkg-deb -x "$package" ../root; done
cd ..
rm -r packages
touch done
rm -rf "$folder"
mv "$folder.new" "$folder"
