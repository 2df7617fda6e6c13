# SPDX-License-Identifier: ISC
# shellcheck shell=sh
# What the tests have in common.

# not COMMAND...: COMMAND fails; "set -e" does not see what "!" says.
not() {
	if "$@"; then
		echo "this should have failed: $*" >&2
		exit 1
	fi
}

# pushed ANSWER CURL-ARGUMENT...: a push with curl has this answer.
pushed() {
	want=$1
	shift
	[ "$(curl -sS "$@")" = "$want" ]
}

# eventually COMMAND...: COMMAND succeeds within 20 seconds; for what happens in
# another process, as a reload.
eventually() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || exit 1
		sleep 0.1
	done
}

# listen DEVICE COUNT FILE: receive in the background, as JSON, into FILE;
# returns when the device is connected.  The process id is in $listener.
listen() {
	: >"$3.log"
	mpush listen -v -j -n "$2" -T /etc/mpushd/token "$1" >"$3" 2>"$3.log" &
	listener=$!
	eventually grep -q connected "$3.log"
}
