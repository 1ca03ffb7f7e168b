#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Validations by 64 callers on the SQLite store at synchronous=FULL, beside a C loop with one transaction each on the
# same kind of file; then at 1,000,000 sessions beside 10,000. Keys uniform; three interleaved rounds, medians.
# SESSIONS=N changes the large store's size, SECONDS_A_RUN=N the length of a run.
set -eu
cd "$(dirname "$0")/.."
large="${SESSIONS:-1000000}"
seconds="${SECONDS_A_RUN:-5}"
work=$(mktemp -d "${TMPDIR:-/tmp}/sojourn-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
swift build -c release --product SQLiteBench
bench="$(swift build -c release --show-bin-path)/SQLiteBench"
cc -O2 -Wall -o "$work/peer" Benchmarks/sqlite_peer.c -lsqlite3

echo "filling 10000 and $large sessions"
"$bench" fill "$work/small.db" 10000
"$bench" fill "$work/peer.db" 10000
"$bench" fill "$work/large.db" "$large"
# Both page caches warm.
"$bench" validate "$work/small.db" 2 > /dev/null
"$bench" validate "$work/large.db" 5 > /dev/null

echo "round: validations/s, p99 in ms, peak MB"
for round in 1 2 3; do
    echo "$round ours $("$bench" validate "$work/small.db" "$seconds")"
    echo "$round peer $("$work/peer" "$work/peer.db" "$seconds")"
    echo "$round large $("$bench" validate "$work/large.db" "$seconds")"
done | tee "$work/rounds"

median() { awk -v name="$1" '$2 == name { print $3 }' "$work/rounds" | sort -n | sed -n 2p; }
ours=$(median ours)
peer=$(median peer)
many=$(median large)
awk -v ours="$ours" -v peer="$peer" -v many="$many" 'BEGIN {
    printf "64 callers %d/s, C loop %d/s: ratio %.2f (wanted 1.5)\n", ours, peer, ours / peer
    printf "large store %d/s, small %d/s: ratio %.2f (wanted 0.60)\n", many, ours, many / ours
}'
