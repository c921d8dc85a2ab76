#!/bin/sh
# Stands for the programs that change a machine: writes down how it was called, and answers as a machine with
# one empty disk would. One that is in $CASCINA_FAIL fails.
name=${0##*/}
echo "$name $*" >>"$CASCINA_ROOT/calls"
[ "$name" != "${CASCINA_FAIL:-}" ] || { echo "$name: no space left on device"; exit 5; }
case $name in
lsblk) echo '{"blockdevices": [{"name":"/dev/vda","type":"disk","ro":false,"fstype":null,"mountpoint":null,
    "children":[{"name":"/dev/vda1","type":"part","ro":false,"fstype":"ext4","mountpoint":"/"}]},
    {"name":"/dev/vdb","type":"disk","ro":false,"fstype":"vfat","mountpoint":null},
    {"name":"/dev/vdc","type":"disk","ro":false,"fstype":null,"mountpoint":null}]}' ;;
blkid) exit 2 ;;
getent) [ "$2" = there ] && echo "there:x:1000:1000::/home/there:/bin/sh" || { [ -e "$CASCINA_ROOT/added" ] && echo "$2:x:1001:1001::/home/$2:/bin/sh"; } || exit 2 ;;
useradd) touch "$CASCINA_ROOT/added" ;;
dd) for word; do case $word in of=*) touch "${word#of=}" ;; esac; done ;;
chpasswd) cat >>"$CASCINA_ROOT/passwords" ;;
puppet) [ "$1" = config ] && echo /etc/puppet/ssl/certs || exit 2 ;;
apt-get) case "$*" in *cvmfs=*) echo "E: Version '2.1.19*' for 'cvmfs' was not found"; exit 100 ;; esac ;;
esac
