#cloud-boothook
#!/bin/sh
# Says what is to come, so that what never came is missed.
umask 022
mkdir -p "${CASCINA_ROOT:-}/var/log/cascina"
cat >"${CASCINA_ROOT:-}/var/log/cascina/manifest.json" <<'MANIFEST'
