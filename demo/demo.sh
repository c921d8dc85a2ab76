#!/bin/sh
# Cascina before the reader's eyes: a server on simulated hosts, and what people do with it, through
# the same commands and the same API that they would use.
#
#     make demo                  builds, shows everything, leaves the server running until Ctrl-C
#     make demo KEEP=0           stops at the end
#     make demo TRACE=folder     replays your own trace (hosts.csv, requests.csv) in chapter 6
#
# CASCINA names another program than target/debug/cascina. Whatever goes otherwise than it should
# ends the demo with the server's log; refusals that belong to the story are checked to be refusals.

set -eu
cd "$(dirname "$0")/.."

PROGRAM=${CASCINA:-target/debug/cascina}
SITE=examples/lab.toml
KEEP=${KEEP:-1}
TRACE=${TRACE:-}
# What the reader's shell has for another server is not for this one.
unset CASCINA CASCINA_CONFIG CASCINA_SERVER CASCINA_TOKEN CASCINA_TOKEN_FILE

[ -x "$PROGRAM" ] || { echo "demo: $PROGRAM is not there; \`make demo\` builds it" >&2; exit 1; }
mkdir -p var
DIR=$(mktemp -d var/demo.XXXXXX)
DATA=$DIR/data
LOG=$DIR/log
SERVER_PID=

# ---- How things are shown -----------------------------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$(printf '\033[1m') BLUE=$(printf '\033[1;34m') DIM=$(printf '\033[2m') PLAIN=$(printf '\033[0m')
else
    BOLD='' BLUE='' DIM='' PLAIN=''
fi

# chapter NUMBER TITLE
chapter() {
    printf '\n%s%s. %s%s\n' "$BOLD" "$1" "$2" "$PLAIN"
}

# What the reader should know, wrapped by hand to 96 columns.
say() {
    printf '\n'
    printf '%s\n' "$@"
}

# The program under the name that the reader knows it by, so that what is shown is what runs.
cascina() {
    "$PROGRAM" "$@"
}

# show TEXT: what is about to run.
show() {
    printf '\n%s$ %s%s\n' "$BLUE" "$1" "$PLAIN"
}

# run COMMAND: shows it, runs it, and ends the demo if it fails.
run() {
    show "$1"
    eval "$1"
}

# refused COMMAND: shows it, runs it, and ends the demo unless the answer is an expected no (1; a
# wrong command line is 2, a failing server 3). What was said is kept in $DIR/refusal.
refused() {
    show "$1"
    code=0
    eval "$1" >"$DIR/said" 2>"$DIR/refusal" || code=$?
    cat "$DIR/said" "$DIR/refusal"
    [ "$code" -eq 1 ] || fail "this should have been refused (status 1), but its status is $code"
}

# ---- What must hold -----------------------------------------------------------------------------

fail() {
    printf 'demo: %s\n' "$1" >&2
    exit 1
}

# holds SENTENCE CONDITION…: ends the demo if it does not hold.
holds() {
    sentence=$1
    shift
    "$@" || fail "it does not hold that $sentence"
    printf '%s  (checked: %s)%s\n' "$DIM" "$sentence" "$PLAIN"
}

# within SECONDS CONDITION…: asks until it is so, and gives up after a while.
within() {
    until=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$until" ] || return 1
        sleep 0.1
    done
}

# rows COMMAND…: what it lists, without the heading.
rows() {
    cascina "$@" | awk 'NR > 1'
}

nothing_in() {
    [ "$(cascina "$@")" = none ]
}

host_is() {
    cascina host show "$1" | grep -q "^state *$2\$"
}

# farm_is NAME STATE (a failed namesake may still be listed)
farm_is() {
    rows farm list | awk '{ print $2, $4 }' | grep -qx "$1 $2"
}

# hosts_of FARM: on how many hosts its instances are. (Column 6 of the list is the host.)
hosts_of() {
    rows instance list --farm "$1" | awk '{ print $6 }' | sort -u | grep -c .
}

# spread_of FARM: the same in words.
spread_of() {
    rows instance list --farm "$1" | awk -v farm="$1" '
        { if (!($6 in count)) order[++hosts] = $6; count[$6]++; guests++ }
        END {
            line = "  farm " farm ": " guests " instances on " hosts (hosts == 1 ? " host:" : " hosts:")
            for (i = 1; i <= hosts; i++) line = line " " order[i] " (" count[order[i]] ")"
            print line
        }'
}

# placement_of FARM: its newest placement decision.
placement_of() {
    rows decision list --farm "$1" --hook placement | awk 'NR == 1 { print $1 }'
}

# ---- The server ---------------------------------------------------------------------------------

# start ADDRESS: starts a server and waits for its first line, which says where it listens. Fails if
# it ends before that.
start() {
    rm -f "$DIR/ready"
    mkfifo "$DIR/ready"
    CASCINA_SERVER_DATA=$DATA CASCINA_SERVER_LISTEN=$1 CASCINA_EC2_LISTEN=127.0.0.1:0 CASCINA_SERVER_RECONCILE_EVERY_S=1 \
        CASCINA_SITE_ADDRESS_REST_S=1 \
        "$PROGRAM" serve --config "$SITE" >"$DIR/ready" 2>>"$LOG" &
    SERVER_PID=$!
    # Stays open, so that the server can go on writing.
    exec 3<"$DIR/ready"
    read -r line <&3 || line=
    case $line in
        "cascina is ready at "*) SERVER=${line#cascina is ready at } ;;
        *)
            wait "$SERVER_PID" || true
            SERVER_PID=
            return 1
            ;;
    esac
}

stop() {
    [ -n "$SERVER_PID" ] || return 0
    kill -TERM "$SERVER_PID" 2>/dev/null || true
    wait "$SERVER_PID" || true
    SERVER_PID=
}

# However the demo ends: no server is left, and if it failed, the log is shown and kept.
finish() {
    code=$?
    trap - EXIT
    trap '' INT TERM
    stop
    if [ "$code" -eq 0 ] || [ "$code" -eq 130 ]; then
        rm -rf "$DIR"
        exit "$code"
    fi
    {
        printf '\ndemo: FAILED. The last lines of the log (%s; the data is beside it):\n\n' "$LOG"
        tail -n 40 "$LOG" 2>/dev/null || true
    } >&2
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# ---- The chapters -------------------------------------------------------------------------------

serve() {
    chapter 1 "A server"
    say "The site file describes a laboratory: 4 hosts for routers, 35 for instances, 3 stakeholders who" \
        "own them, and which policies decide. The hosts and what is on them are simulated; the server, its" \
        "database, the policies and the API are not. At its first start the server compiles the policies" \
        "that ship with it, which takes some seconds."
    show "cascina serve --config $SITE"
    if ! start 127.0.0.1:8080; then
        grep -q 'in use' "$LOG" || fail "the server does not start"
        echo "port 8080 is taken, so it gets a free one"
        start 127.0.0.1:0 || fail "the server does not start"
    fi
    export CASCINA_SERVER="$SERVER" CASCINA_TOKEN_FILE="$DATA/admin.token"
    echo "$line"
    say "Whoever may read the data folder is the site's admin: the token is in a file there."
    run "export CASCINA_SERVER=$CASCINA_SERVER CASCINA_TOKEN_FILE=$CASCINA_TOKEN_FILE"
    run 'cascina whoami'
    run 'cascina binding list'
}

farm() {
    chapter 2 "A virtual farm"
    say "One request makes everything that a new tenant needs, or nothing. The steps as they happen:"
    run 'cascina farm create alpha --tenant alice --group grid --instances flavor=m1.small,image=debian-13,count=2'
    holds "farm alpha is active" farm_is alpha active
    say "Its user with an access key; its own network, a /24 and a prefix of MAC addresses; its router on a" \
        "services host, with an elastic IP; its instances on workers."
    run 'cascina key list alice'
    run 'cascina network list'
    run 'cascina router list'
    run 'cascina address list'
    run 'cascina instance list --farm alpha'
    say "The quota policy gave the tenant the limits of the restricted tier. Use is the sum of what there" \
        "is; nothing is counted, so nothing can drift."
    run 'cascina quota show alice | head -n 8'
}

refusals() {
    chapter 3 "Requests that are not granted"
    say "Alice gets a key, whose secret is shown this once and goes into a file, and a token for it. With" \
        "the token she asks for more than her quota."
    umask_before=$(umask)
    umask 077
    run "cascina key create alice >$DIR/key"
    sed -n 's/^secret *//p' "$DIR/key" >"$DIR/secret"
    key=$(sed -n 's/^access_key *//p' "$DIR/key")
    run "cascina token create $key --secret-file $DIR/secret >$DIR/alice.token"
    umask "$umask_before"
    refused "cascina --token-file $DIR/alice.token instance run alpha flavor=m1.large,image=debian-13,count=2"
    holds "it was the quota" grep -q "quota of tenant" "$DIR/refusal"

    say "An admin's request runs into a policy: no farm may have more than 512 vCPUs. A refusal by policy" \
        "comes with its decision, and a decision can be explained."
    refused 'cascina farm create huge --tenant bob --tier unlimited --instances flavor=m1.large,image=debian-13,count=200'
    decision=$(sed -n 's/^see why: cascina decision explain //p' "$DIR/refusal")
    [ -n "$decision" ] || fail "the refusal names no decision"
    run "cascina decision explain $decision"

    say "A large farm, but not too large, waits for a person."
    run 'cascina farm create large --tenant carol --group theory --tier unlimited --instances flavor=m1.medium,image=debian-13,count=33'
    holds "farm large waits" farm_is large pending-approval
    run 'cascina farm approve large --note "until the workshop"'
    holds "farm large is active" farm_is large active
}

swap() {
    chapter 4 "Another rule, while the server runs"
    say "placement-pack fills hosts one after another, so that others stay empty."
    run 'cascina farm create packed --tenant dora --group detector --tier standard --instances flavor=m1.small,image=debian-13,count=6'
    run 'cascina instance list --farm packed'
    say "Now the site wants instances apart. Policies are components: the binding gets another one."
    run 'cascina binding change placement --policy placement-spread'
    run 'cascina farm create apart --tenant dora --instances flavor=m1.small,image=debian-13,count=6'
    run 'cascina instance list --farm apart'
    printf '\n'
    spread_of packed
    spread_of apart
    holds "the same request went to one host before and to six after" \
        [ "$(hosts_of packed) $(hosts_of apart)" = "1 6" ]
}

replay() {
    chapter 5 "A decision, made again"
    say "Back to packing. The decision that spread farm apart is made again: the facts from the event log" \
        "as they were, the component of that time. It must come out the same, though another policy is in" \
        "force by now and the hosts are fuller."
    run 'cascina binding change placement --policy placement-pack'
    decision=$(placement_of apart)
    run "cascina decision explain $decision"
    run "cascina decision replay $decision | tee $DIR/replay"
    holds "it came out the same" grep -q '^the same outcome' "$DIR/replay"
}

trace() {
    chapter 6 "What would another policy have done?"
    if [ -n "$TRACE" ]; then
        say "Your trace, replayed in virtual time by the same engine, once with each placement policy. Requests are" \
            "drawn from it and never removed, until far more is asked for than there is."
        run "cascina simulate trace --trace $TRACE --mode inflation --policy placement-pack,placement-spread --config $SITE"
    else
        say "A made-up trace (hosts.csv, requests.csv; \`make demo TRACE=folder\` takes yours), replayed in" \
            "virtual time by the same engine against the lab's 39 hosts, once with each placement policy."
        run "cascina simulate trace --seed 1 --days 5 --write $DIR/trace --policy placement-pack,placement-spread --config $SITE"
    fi
}

breakage() {
    chapter 7 "When things fail"
    say "From now on every router is made to look dead. A farm is all or nothing, so it must be unmade." \
        "The step that failed is undone too, since it may have half happened."
    run "cascina simulation faults '[{\"call\": \"probe-router\", \"fault\": {\"kind\": \"refuse\", \"why\": \"it does not answer\"}}]'"
    before=$(cascina simulation world | tail -n 1)
    refused 'cascina farm create unlucky --tenant erin --instances flavor=m1.small,image=debian-13,count=2'
    holds "the farm failed at that step" grep -q 'probe-router' "$DIR/refusal"
    holds "nothing of it is on the hosts" [ "$(cascina simulation world | tail -n 1)" = "$before" ]
    holds "its tenant is gone again" [ -z "$(rows tenant list | awk '$2 == "erin"')" ]
    say "Mended, the same request succeeds."
    run "cascina simulation faults '[]'"
    run 'cascina farm create unlucky --tenant erin --instances flavor=m1.small,image=debian-13,count=2 | tail -n 1'
    holds "farm unlucky is active" farm_is unlucky active
    host=$(rows instance list --farm apart | awk 'NR == 1 { print $6 }')
    say "A host with guests is lost. Three unanswered questions in a row, and it counts as down: nothing" \
        "new is placed there. (This server asks every second.)"
    run "cascina simulation strike '{\"kind\": \"lose\", \"host\": \"$host\"}'"
    within 30 host_is "$host" down || fail "host $host is not seen as down"
    run "cascina host show $host | grep -E '^(name|note|state) '"
    run "cascina simulation strike '{\"kind\": \"restore\", \"host\": \"$host\"}'"
    within 30 host_is "$host" up || fail "host $host is not seen as up"
    run "cascina host show $host | grep -E '^(name|note|state) '"
    say "The server itself is killed in the middle of making a farm. The next one takes the farm up at the" \
        "step that was recorded last; a step may run twice, and does no harm."
    run 'cascina farm create phoenix --tenant frank --instances flavor=m1.small,image=debian-13,count=2 --no-wait'
    show "kill -KILL $SERVER_PID && cascina serve --config $SITE"
    kill -KILL "$SERVER_PID"
    # The shell's word about it is not for the reader.
    wait "$SERVER_PID" 2>/dev/null || true
    start "${SERVER#http://}" || fail "the server does not start again"
    echo "$line"
    run 'cascina farm watch phoenix'
    holds "farm phoenix is active" farm_is phoenix active
}

end_of_farms() {
    chapter 8 "Nothing is left"
    say "Deleting a farm takes everything of it. So does deleting the others."
    run 'cascina farm delete alpha'
    for farm in large packed apart unlucky phoenix; do
        run "cascina farm delete $farm | tail -n 1"
    done
    say "No users, no tenants, no networks; elastic IPs rest a moment and are free again; and nothing is on" \
        "the hosts."
    within 30 nothing_in address list || fail "there are addresses left"
    for noun in user tenant network router address; do
        run "cascina $noun list"
        nothing_in "$noun" list || fail "there is a $noun left"
    done
    run 'cascina simulation world'
    holds "nothing is left on the hosts" \
        [ "$(cascina simulation world | awk 'END { print $1, $2 + $3 + $4 + $5 + $6 }')" = "all 0" ]
    say "The books agree: the chain of events, the rows that follow from it, every invariant."
    run "cascina fsck $DATA/cascina.db"
}

farewell() {
    if [ "$KEEP" = 0 ]; then
        say "${BOLD}Done.${PLAIN} The server is stopped, and its data is removed."
        return
    fi
    say "${BOLD}The server goes on until Ctrl-C.${PLAIN} Try it from another terminal, in this folder:" "" \
        "    export CASCINA_SERVER=$CASCINA_SERVER CASCINA_TOKEN_FILE=$CASCINA_TOKEN_FILE" \
        "    $PROGRAM farm create mine --tenant me --instances flavor=m1.small,image=debian-13,count=2" \
        "    $PROGRAM farm show mine" \
        "    $PROGRAM event follow" "" \
        "  API documentation   $CASCINA_SERVER/docs" \
        "  measurements        $CASCINA_SERVER/metrics" \
        "  what to read next   README.md, docs/cli.md, sdk/rust/README.md (a policy of your own)"
    trap 'echo; echo "The server is stopped, and its data is removed."; exit 0' INT TERM
    wait "$SERVER_PID"
    fail "the server ended by itself"
}

serve
farm
refusals
swap
replay
trace
breakage
end_of_farms
farewell
