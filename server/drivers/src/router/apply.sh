#!/bin/sh
# Makes a router do exactly what a set of files says, in its appliance or in its network namespace.
#
#   apply.sh SET [STATE]      applies the files in the folder SET
#   apply.sh -p [STATE]       probes: prints the revision that is applied, if the router still has it
#
# The interfaces are called `lan` and `wan`. STATE (/run/cascina-router) keeps the last set that was
# applied, in `now`, and its `revision`. The set:
#
#   revision      a number; a set that is older than what is applied changes nothing and succeeds
#   ruleset.nft   the whole firewall, one transaction
#   dnsmasq.conf  with `hosts` and `leases`, whose paths are given on the command line
#   addresses     lines `lan 10.64.1.1/24`, `wan 203.0.113.51/32`: these and no others
#   routes        lines `wan default 203.0.113.1`: these and no others
#   mtu           lines `lan 1450`
#   nat           whose lines name conversations that end when the line goes:
#                   `address PUBLIC PRIVATE`, `source PUBLIC`, `forward tcp|udp PUBLIC PORT PRIVATE PORT`
#
# Ends with 0: done; 1: not done, the old state is back, asking again may help; 2: the set is bad,
# nothing was changed. One line on standard error says why.

set -u
umask 022
PATH="${PATH:-}:/usr/sbin:/sbin:/usr/bin:/bin"
nl='
'

fail() {
    code=$1
    shift
    printf 'router: %s\n' "$(printf '%s' "$*" | tr '\n\t' '  ' | cut -c 1-400)" >&2
    [ -z "${locked:-}" ] || rm -f "$lock"
    exit "$code"
}

# Where a program is: busybox's shell would take its own `ip` and `arping`, whatever PATH says.
find_tool() {
    path=$PATH:
    while [ -n "$path" ]; do
        tool=${path%%:*}/$1
        path=${path#*:}
        [ -x "$tool" ] || continue
        [ "$1" = ip ] || return 0
        case "$("$tool" -V 2>&1)" in *iproute2*) return 0 ;; esac
    done
    case "$1" in
        ip) fail 1 "there is no \`ip\` of iproute2 in $PATH" ;;
        *) fail 1 "there is no \`$1\` in $PATH" ;;
    esac
}

# Whether a list, a line each, has this line.
has() {
    case "$nl$1$nl" in *"$nl$2$nl"*) return 0 ;; esac
    return 1
}

read_number() {
    number=
    [ ! -r "$1" ] || read -r number <"$1"
    case "$number" in '' | *[!0-9]*) return 1 ;; esac
}

dnsmasq_runs() {
    read_number "$state/dnsmasq.pid" && [ -r "/proc/$number/cmdline" ] &&
        grep -q "$state/dnsmasq.pid" "/proc/$number/cmdline" 2>/dev/null
}

# Addresses that the two interfaces have, as lines of `addresses`.
addresses_there() {
    "$ip" -4 -o address show | while read -r _ link _ address _; do
        case "$link" in lan | wan) echo "$link $address" ;; esac
    done
}

# Routes that nobody but us can have made, as lines of `routes`.
routes_there() {
    "$ip" -4 route show table main | while read -r to way by dev link rest; do
        case "$way $dev" in
            'via dev') echo "$link $to $by" ;;
            *) case "$way $by $dev $link $rest" in
                *' proto kernel '*) ;;
                *) echo "other $to $way $by $dev $link $rest" ;;
            esac ;;
        esac
    done
}

ruleset_there() {
    "$nft" list ruleset
}

# Interfaces with their MTU, as lines of `mtu`.
links_there() {
    "$ip" -o link show | while read -r _ link _ _ mtu _; do
        link=${link%:}
        echo "${link%%@*} $mtu"
    done
}

# ---- checks: nothing is changed --------------------------------------------------------------

# Every line of a file of the set must be of a form.
check_lines() {
    [ -r "$set/$1" ] || fail 2 "the set has no file \`$1\`"
    while read -r one two three rest; do
        case "$1 $one" in
            'addresses lan' | 'addresses wan')
                case "$two" in '' | *[!0-9./]* | */*/*) ;; */*) [ -z "$three$rest" ] && continue ;; esac ;;
            'routes lan' | 'routes wan')
                case "${two#default}$three" in '' | *[!0-9./]*) ;; *) [ -n "$three" ] && [ -z "$rest" ] && continue ;; esac ;;
            'mtu lan' | 'mtu wan')
                case "$two" in '' | *[!0-9]*) ;; *) [ -z "$three$rest" ] && continue ;; esac ;;
            'nat source') case "$two" in '' | *[!0-9.]*) ;; *) [ -z "$three$rest" ] && continue ;; esac ;;
            'nat address') case "$two$three" in '' | *[!0-9.]*) ;; *) [ -n "$three" ] && [ -z "$rest" ] && continue ;; esac ;;
            'nat forward')
                case "$two" in tcp | udp) case "$three$rest" in *[!0-9.\ ]*) ;; *) [ -n "$rest" ] && continue ;; esac ;; esac ;;
        esac
        fail 2 "the set's \`$1\` has a line that is none: $one $two $three $rest"
    done <"$set/$1"
}

check() {
    for file in ruleset.nft dnsmasq.conf hosts leases; do
        [ -r "$set/$file" ] || fail 2 "the set has no file \`$file\`"
    done
    for file in addresses routes mtu nat; do
        check_lines "$file"
    done
    links=$(links_there)
    for file in addresses mtu routes; do
        while read -r link rest; do
            case "$nl$links" in
                *"$nl$link "*) ;;
                *) fail 1 "there is no interface \`$link\`" ;;
            esac
        done <"$set/$file"
    done
    # What it runs with has been looked at. The ruleset is a transaction, and checked when it is made.
    same=1
    cmp -s "$set/dnsmasq.conf" "$state/served.conf" || same=
    [ -n "$same" ] ||
        said=$("$dnsmasq" --test --conf-file="$set/dnsmasq.conf" --addn-hosts="$set/hosts" \
            --dhcp-hostsfile="$set/leases" 2>&1) || fail 2 "dnsmasq refuses its configuration: $said"
}

# ---- changes ---------------------------------------------------------------------------------

set_kernel() {
    key=/proc/sys/net/$1
    [ -e "$key" ] || return 0
    read -r value <"$key"
    [ "$value" = "$2" ] || echo "$2" >"$key"
}

# Nothing is forwarded before the firewall is up.
set_kernel_all() {
    for link in all lan wan; do
        set_kernel "ipv6/conf/$link/disable_ipv6" 1
        set_kernel "ipv4/conf/$link/rp_filter" 1
        set_kernel "ipv4/conf/$link/arp_ignore" 1
        set_kernel "ipv4/conf/$link/arp_announce" 2
        set_kernel "ipv4/conf/$link/accept_redirects" 0
        set_kernel "ipv4/conf/$link/send_redirects" 0
        set_kernel "ipv4/conf/$link/accept_source_route" 0
    done
    set_kernel ipv4/ip_forward 1
}

# Lines for `ip`; often there are none.
change() {
    [ -z "$1" ] || said=$(printf '%s' "$1" | "$ip" -batch - 2>&1)
}

# Makes the router be as the set in $1 says, where the one in $2 was applied before: all but dnsmasq.
# What came of addresses is in `$fresh`. Says why not in `$said`; with 2 if nothing was changed.
enforce() {
    said=$("$nft" -f "$1/ruleset.nft" 2>&1) || return 2
    said=$(set_kernel_all 2>&1) || return 1
    # On the outside it answers for the network as which the metadata service sees its own.
    proxy=0
    ! grep -q '^lan 169\.254\.169\.254/' "$1/addresses" || proxy=1
    said=$(set_kernel ipv4/conf/wan/proxy_arp "$proxy" && set_kernel ipv4/neigh/wan/proxy_delay 0 2>&1) || return 1

    want=$(cat "$1/addresses") there=$(addresses_there) batch= fresh=
    while read -r link mtu; do
        has "$links" "$link $mtu" || batch="${batch}link set dev $link mtu $mtu$nl"
    done <"$1/mtu"
    while read -r link address; do
        [ -z "$link" ] || has "$want" "$link $address" || batch="${batch}address del $address dev $link$nl"
    done <<END
$there
END
    while read -r link address; do
        [ -n "$link" ] || continue
        case "$batch" in *"link set dev $link up"*) ;; *) batch="${batch}link set dev $link up$nl" ;; esac
        has "$there" "$link $address" && continue
        batch="${batch}address add $address dev $link$nl"
        fresh="$fresh$link ${address%/*}$nl"
    done <<END
$want
END
    change "$batch" || return 1

    want=$(cat "$1/routes") there=$(routes_there) batch=
    while read -r link to by rest; do
        case "$link" in
            '') ;;
            other) batch="${batch}route del $to $by $rest$nl" ;;
            *) has "$want" "$link $to $by" || batch="${batch}route del $to via $by dev $link$nl" ;;
        esac
    done <<END
$there
END
    while read -r link to by; do
        # The gateway is on this link even when no address of ours says so.
        [ -z "$link" ] || has "$there" "$link $to $by" || batch="${batch}route add $to via $by dev $link onlink$nl"
    done <<END
$want
END
    change "$batch" || return 1

    # Conversations that began by rules which are no more would go on for as long as they like.
    [ -r "$2/nat" ] || return 0
    want=$(cat "$1/nat")
    while read -r what line; do
        [ -n "$what" ] && ! has "$want" "$what $line" || continue
        # shellcheck disable=SC2086
        forget_flows "$what" $line
    done <"$2/nat"
    return 0
}

# Deletes what the kernel remembers. That there was none is what conntrack calls an error.
forget_flows() {
    case "$1" in
        address | source)
            "$conntrack" -D -d "$2" >/dev/null 2>&1
            "$conntrack" -D -q "$2" >/dev/null 2>&1 ;;
        forward)
            "$conntrack" -D -p "$2" -d "$3" --orig-port-dst "$4" >/dev/null 2>&1 ;;
    esac
}

stop_dnsmasq() {
    dnsmasq_runs || return 0
    kill "$number" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -e "/proc/$number" ] || return 0
        sleep 0.05
    done
    kill -9 "$number" 2>/dev/null
    sleep 0.05
}

# It reads `hosts` and `leases` again when it is told to, its configuration only when it starts.
serve_names() {
    if [ -n "$same" ] && dnsmasq_runs; then
        kill -HUP "$number" && return 0
    fi
    stop_dnsmasq
    said=$("$dnsmasq" --conf-file="$state/now/dnsmasq.conf" --addn-hosts="$state/now/hosts" \
        --dhcp-hostsfile="$state/now/leases" --dhcp-leasefile="$state/dnsmasq.leases" \
        --pid-file="$state/dnsmasq.pid" 2>&1 </dev/null) || return 1
    cp "$state/now/dnsmasq.conf" "$state/served.conf"
}

# Tells neighbours where addresses are now. Both kinds, and more than once: some hear only one, and
# frames get lost.
announce() {
    (
        jobs=0
        printf '%s' "$1" | while read -r link address; do
            for kind in -U -A; do
                "$arping" "$kind" -c 3 -I "$link" "$address" &
                jobs=$((jobs + 1))
                [ $((jobs % 32)) -ne 0 ] || wait
            done
        done
    ) </dev/null >/dev/null 2>&1 &
}

# As it was before; a router that had nothing yet has nothing to do with the outside.
go_back() {
    if [ -d "$1" ]; then
        links=$(links_there)
        enforce "$1" "$2"
    else
        "$ip" -4 address flush dev wan 2>/dev/null
    fi
}

take_lock() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        ln -s $$ "$lock" 2>/dev/null && locked=1 && return
        holder=$(readlink "$lock") || continue
        # Its holder was killed, and its number may be another's by now.
        grep -q "${0##*/}" "/proc/$holder/cmdline" 2>/dev/null || rm -f "$lock"
        sleep 0.25
    done
    fail 1 "another set is being applied by process $holder"
}

apply() {
    read_number "$set/revision" || fail 2 "the set has no revision"
    revision=$number
    mkdir -p "$state" || fail 1 "$state cannot be made"
    take_lock
    # Cut off between two renames.
    [ -d "$state/now" ] || [ ! -d "$state/old" ] || mv "$state/old" "$state/now"
    if read_number "$state/revision" && [ "$number" -gt "$revision" ]; then
        rm -f "$lock"
        return
    fi
    check
    rm -rf "$state/new" "$state/old"
    mkdir "$state/new" || fail 1 "$state/new cannot be made"
    (
        cd "$set" && cp revision ruleset.nft dnsmasq.conf hosts leases addresses routes mtu nat "$state/new" &&
            # Whoever made them may have kept them to itself; dnsmasq is another.
            chmod 644 "$state"/new/*
    ) || fail 1 "$state/new cannot be written"

    enforce "$state/new" "$state/now"
    case $? in
        0) ;;
        2) fail 2 "nft refuses the ruleset: $said" ;;
        *)
            why=$said
            go_back "$state/now" "$state/new"
            fail 1 "$why" ;;
    esac
    [ ! -d "$state/now" ] || mv "$state/now" "$state/old"
    mv "$state/new" "$state/now"
    announced=$fresh
    if ! serve_names; then
        why=$said
        mv "$state/now" "$state/new"
        [ ! -d "$state/old" ] || mv "$state/old" "$state/now"
        go_back "$state/now" "$state/new"
        [ ! -d "$state/now" ] || serve_names
        fail 1 "dnsmasq does not start: $why"
    fi
    announce "$announced"
    ruleset_there >"$state/ruleset" 2>/dev/null || fail 1 "the firewall cannot be listed"
    echo "$revision" >"$state/revision.new" && mv "$state/revision.new" "$state/revision" ||
        fail 1 "$state/revision cannot be written"
    rm -rf "$state/old"
    rm -f "$lock"
}

probe() {
    read_number "$state/revision" || fail 1 "no configuration has been applied"
    revision=$number
    read_number "$state/now/revision" && [ "$number" -eq "$revision" ] || fail 1 "a change was cut off"
    there=$(ruleset_there 2>/dev/null) || fail 1 "the firewall is gone"
    [ "$there" = "$(cat "$state/ruleset" 2>/dev/null)" ] || fail 1 "the firewall was changed by another"
    there=$(addresses_there)
    while read -r link address; do
        has "$there" "$link $address" || fail 1 "the address $address is gone from $link"
    done <"$state/now/addresses"
    there=$(routes_there)
    while read -r link to by; do
        has "$there" "$link $to $by" || fail 1 "the route $to via $by is gone"
    done <"$state/now/routes"
    dnsmasq_runs || fail 1 "dnsmasq does not run"
    echo "$revision"
}

case "$#:${1:-}" in
    1:-p | 2:-p) mode=probe state=${2:-/run/cascina-router} ;;
    1:?* | 2:?*) mode=apply set=$1 state=${2:-/run/cascina-router} ;;
    *) fail 2 "usage: apply.sh SET [STATE], or apply.sh -p [STATE]" ;;
esac
lock=$state/lock
find_tool ip && ip=$tool
find_tool nft && nft=$tool
if [ "$mode" = apply ]; then
    find_tool dnsmasq && dnsmasq=$tool
    find_tool conntrack && conntrack=$tool
    find_tool arping && arping=$tool
fi
$mode
