#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# flux.sh - what Flux's clients send and expect on the local socket, written down from Flux's side alone
# (test/lib/flux.py); and the roots that Flux makes of the same keys.
. "$(dirname "$0")/../lib/rig.sh"
. "$(dirname "$0")/../lib/cases.sh"

mkdir "$TEMP/state"
start_cluster 3 2 --statedir "$TEMP/state" -o hash=sha1 -o maxdirent=0 -o blob-size-limit=2M
for name in framing attributes content; do
    cases sha1 flux_wire $name
done
for name in kvs namespaces; do
    cases sha1 flux_kvs $name
done
for name in watch events; do
    cases sha1 flux_watch $name
done
cases sha1 flux_wire others
cases sha1 flux_command commands
check 'roots are those that Flux makes' timeout 200 \
    python3 "$ROOT/test/lib/flux_roots.py" "$RUNDIR" "${XYLEM_TEST_SEED:-4}"
if command -v flux >/dev/null; then
    check_output 'flux itself: getattr' 3 env FLUX_URI="$XYLEM_URI" flux getattr size
    check 'flux itself: kvs put' env FLUX_URI="$XYLEM_URI" flux kvs put flux.key=value
    check_output 'flux itself: kvs get' value env FLUX_URI="$XYLEM_URI" flux kvs get flux.key
else
    echo '# skipped: flux itself is not installed'
fi
stop_cluster

start_cluster 3 2 -o no-kvs
cases blake2b flux_command unloaded
stop_cluster

start_cluster 3 2 -o backing=none
cases blake2b flux_command unbacked
