#!/bin/bash
# Private libvirt daemons on this machine, each a host of its own: mounts, host name and network are not shared
# with the machine or with each other.
#
#   hosts.sh up RUN [HOSTS]    starts them (2 unless said); RUN is a folder for sockets, logs and images
#   hosts.sh start RUN HOST    starts the daemon of a host again that was killed
#   hosts.sh env RUN           says how to reach them, as lines for a shell
#   hosts.sh down RUN          ends all processes, removes all namespaces, and what is theirs in RUN
#
# What there is then, TAG being different for every RUN:
#
#   cascina-TAG-h1, -h2 …      network namespaces of the hosts: `fab0` 10.99.0.11 (.12 …) for migration and
#                              tunnels, and the public bridge `cbpub`
#   cascina-TAG-fabric         the switches between them
#   cascina-TAG-outside        the world: `pub0` 203.0.113.1/24 on the public side
#   RUN/shared                 storage that all hosts share
#
# Needs root, libvirtd, QEMU, iproute2, iptables and ebtables.
set -euo pipefail

usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 2
}

say() { echo "hosts: $*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -ge 2 ] || usage
verb=$1
[ "$verb" = up ] && mkdir -p "$2"
[ -d "$2" ] || { [ "$verb" = down ] && exit 0; fail "there is no folder $2: say '$0 up $2' first"; }
run=$(cd "$2" && pwd -P)
tag=$(printf %s "$run" | sha256sum | cut -c1-6)
prefix=cascina-$tag
fabric=$prefix-fabric
outside=$prefix-outside

namespaces() { ip netns list | awk -v p="$prefix-" 'index($1, p) == 1 { print $1 }'; }
hosts() { namespaces | sed -n "s/^$prefix-\(h[0-9]*\)$/\1/p" | sort -V; }
uri() { echo "qemu+unix:///system?socket=$run/$1/sock/libvirt-sock"; }

# A namespace that passes frames and says nothing by itself.
namespace() {
    ip netns add "$1"
    ip netns exec "$1" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
        echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null || true
    ip -n "$1" link set lo up
}

bridge() {
    ip -n "$1" link add name "$2" type bridge stp_state 0 forward_delay 0
    ip -n "$1" link set dev "$2" up
}

# A cable from a bridge of the fabric to a device of a namespace.
cable() {
    local to=$1 device=$2 bridge=$3 end=$4
    ip -n "$fabric" link add name "$end" type veth peer name "$device" netns "$to"
    ip -n "$fabric" link set dev "$end" master "$bridge" up
    ip -n "$to" link set dev "$device" up
}

settings() {
    local host=$1 home=$run/$1 id
    id=$(printf %s "$run $host" | sha256sum | cut -c1-32 | sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.\{12\}\).*/\1-\2-8\3-8\4-\5/')
    mkdir -p "$home"/{etc,run,lib,log,cache,sock}
    [ -d /etc/libvirt ] && cp -a /etc/libvirt/. "$home/etc/"
    # Joins the bridges of farms' networks.
    install -D -m 755 "$(dirname "$0")/../../deploy/libvirt/network" "$home/etc/hooks/network"
    rm -rf "$home"/etc/qemu/networks "$home"/etc/qemu/autostart "$home"/etc/storage
    cat >"$home/etc/qemu.conf" <<CONF
stdio_handler = "file"
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
shared_filesystems = [ "$run/shared" ]
CONF
    cat >"$home/etc/libvirtd.conf" <<CONF
unix_sock_dir = "$home/sock"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "$id"
max_client_requests = 20
log_outputs = "2:file:$home/libvirtd.log"
CONF
}

start() {
    local host=$1 home=$run/$1
    # The same folders for every host, each with its own behind them.
    setsid unshare -m -u --propagation private bash -c '
        set -e
        hostname "$1"
        for pair in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
            mkdir -p "${pair#*:}"
            mount --bind "$2/${pair%%:*}" "${pair#*:}"
        done
        exec ip netns exec "$3" libvirtd --pid-file "$2/libvirtd.pid"' \
        libvirtd "$host" "$home" "$prefix-$host" </dev/null >"$home/start.log" 2>&1 &
}

up() {
    local count=${1:-2} number host
    [[ $count =~ ^[1-9]$ ]] || fail "from 1 to 9 hosts, not $count"
    [ "$(id -u)" = 0 ] || fail "this needs root"
    for program in libvirtd virsh qemu-system-x86_64 ip iptables ebtables unshare setsid; do
        command -v "$program" >/dev/null || fail "$program is missing: install libvirt-daemon-system, libvirt-clients, qemu-system-x86, iproute2, iptables and ebtables"
    done
    # Where a path of a socket must end.
    local longest=$run/h1/lib/qemu/channel/target/domain-999-cascina-i-000/org.qemu.guest_agent.0
    [ ${#longest} -le 106 ] || fail "the path $run is too long for sockets below it: take a shorter one"
    [ -z "$(namespaces)" ] || fail "hosts of $run are up: say '$0 down $run' first"
    trap 'say "could not start: what is there is taken down"; down' ERR

    mkdir -p "$run/shared"
    namespace "$fabric"
    namespace "$outside"
    bridge "$fabric" fab
    bridge "$fabric" pub
    cable "$outside" pub0 pub pub-out
    ip -n "$outside" address add 203.0.113.1/24 dev pub0
    for number in $(seq "$count"); do
        host=h$number
        namespace "$prefix-$host"
        cable "$prefix-$host" fab0 fab "fab-$host"
        ip -n "$prefix-$host" address add "10.99.0.$((10 + number))/24" dev fab0
        bridge "$prefix-$host" cbpub
        cable "$prefix-$host" pub0 pub "pub-$host"
        ip -n "$prefix-$host" link set dev pub0 master cbpub
        # Rules about connections see what bridges carry only with this; each namespace has its own.
        ip netns exec "$prefix-$host" sh -c 'echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables' 2>/dev/null \
            || { say "there is no br_netfilter in this kernel: modprobe br_netfilter"; false; }
        settings "$host"
        start "$host"
    done
    # The switches are not hosts: nothing is filtered there.
    ip netns exec "$fabric" sh -c 'echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables
        echo 0 >/proc/sys/net/bridge/bridge-nf-call-arptables' 2>/dev/null || true
    for host in $(hosts); do
        wait_for "$host" || { say "libvirtd of $host does not answer:"; tail -n 5 "$run/$host/start.log" "$run/$host/libvirtd.log" >&2 || true; false; }
    done
    trap - ERR
    environment
}

# The first answer takes as long as it takes to ask QEMU what it can do.
wait_for() {
    local deadline=$((SECONDS + 120))
    until timeout 30 virsh -q -c "$(uri "$1")" version >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

environment() {
    local host list=
    for host in $(hosts); do list="$list${list:+ }$host=$(uri "$host")"; done
    [ -n "$list" ] || fail "no hosts of $run are up"
    printf 'export CASCINA_QEMU_RUN=%q\nexport CASCINA_QEMU_PREFIX=%q\nexport CASCINA_QEMU_HOSTS=%q\n' "$run" "$prefix" "$list"
}

ended() {
    local deadline=$((SECONDS + $2))
    while [ -n "$(ip netns pids "$1" 2>/dev/null)" ]; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

down() {
    trap - ERR
    local ns host name
    for host in $(hosts); do
        [ -S "$run/$host/sock/libvirt-sock" ] || continue
        for name in $(timeout 20 virsh -q -c "$(uri "$host")" list --name 2>/dev/null || true); do
            timeout 20 virsh -q -c "$(uri "$host")" destroy "$name" >/dev/null 2>&1 || true
        done
    done
    # Whatever runs in a namespace of ours is ours: daemons, and guests that outlived theirs.
    for ns in $(namespaces); do ip netns pids "$ns" | xargs -r kill -TERM 2>/dev/null || true; done
    for ns in $(namespaces); do
        ended "$ns" 10 || { ip netns pids "$ns" | xargs -r kill -KILL 2>/dev/null; ended "$ns" 10; } \
            || say "processes of $ns do not end: $(ip netns pids "$ns" | tr '\n' ' ')"
        ip netns del "$ns"
    done
    local home
    for home in "$run"/h[1-9]; do
        [ -d "$home/sock" ] && rm -rf "$home"
    done
    rm -rf "$run/shared"
    rmdir "$run" 2>/dev/null || true
}

case $verb in
    up) up "${3:-2}" ;;
    down) down ;;
    start)
        [ -d "$run/${3:-}" ] || fail "there is no host ${3:-} of $run"
        start "$3"
        wait_for "$3" || fail "libvirtd of $3 does not answer" ;;
    env) environment ;;
    *) usage ;;
esac
