#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# run.sh bats|cmocka|pytest - run one of the examples with what was built last, and print TAP.
set -u

here=$(cd "$(dirname "$0")" && pwd)
build=${XYLEM_BUILD:-$here/../../build}
temp=$(mktemp -d "${TMPDIR:-/tmp}/xe-XXXXXX")
trap 'rm -rf "$temp"' EXIT
trap 'exit 1' INT TERM HUP
export TMPDIR=$temp # what a test leaves behind is seen
export PATH=$build/brokerd:$build/lib/cmd:$build/dump:$PATH
unset XYLEM_URI XYLEM_NAMESPACE XYLEM_CERT FLUX_URI

skip()
{
    echo "1..0 # SKIP $*"
    echo "skipped: $*" >&2
    exit 0
}

need()
{
    command -v "$1" >/dev/null || skip "no $1: install the package $2"
}

run_bats()
{
    need bats bats
    bats --tap "$here/bats/xylem.bats"
}

# pytest's lines "FILE::TEST PASSED" as TAP.
run_pytest()
{
    local pytest

    pytest=$(command -v pytest-3 || command -v pytest) || skip 'no pytest: install the package python3-pytest'
    PYTHONDONTWRITEBYTECODE=1 "$pytest" -v -rs -p no:cacheprovider --basetemp "$temp/py" "$here/pytest" \
        >"$temp/.out" 2>&1
    awk '
        / PASSED/ { print "ok " ++n " - " $1; next }
        /^SKIPPED/ { what = $3; sub(/^[^:]*:[0-9]*: */, ""); print "ok " ++n " - " what " # SKIP " $0; next }
        / (FAILED|ERROR) +\[/ && !/^(FAILED|ERROR)/ { print "not ok " ++n " - " $1; next }
        { print "# " $0 }
        END { if (n == 0) print "not ok " ++n " - pytest runs"; print "1.." n }' "$temp/.out"
}

# As a user would: installed headers and libraries, pkg-config, and one line of cc.
run_cmocka()
{
    local root=$temp/root lib flags=

    need pkg-config pkg-config
    pkg-config --exists cmocka || skip 'no cmocka: install the package libcmocka-dev'
    meson install -C "$build" --no-rebuild --destdir "$root" >"$temp/.install" 2>&1 ||
        { sed 's/^/# /' "$temp/.install"; exit 1; }
    lib=$(dirname "$(find "$root" -name libxylem-testing.so)")
    export LD_LIBRARY_PATH=$lib
    export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
    # Libraries that were built with sanitizers want a program that is.
    if nm -D "$lib/libxylem-testing.so" | grep -q __asan_init; then
        flags=-fsanitize=address,undefined
    fi
    ${CC:-cc} $flags -Wall -Werror -o "$temp/test_notebook" "$here/cmocka/test_notebook.c" \
        $(pkg-config --cflags --libs xylem-testing) -lcmocka || exit 1
    CMOCKA_MESSAGE_OUTPUT=TAP "$temp/test_notebook" || exit 1
}

case ${1:-} in
bats | cmocka | pytest) "run_$1" ;;
*) sed -n '3s/^# //p' "$0" >&2; exit 2 ;;
esac
status=$?
rm -rf "$temp/root" "$temp/py" "$temp/test_notebook" "$temp"/.[a-z]*
left=$(ls -A "$temp")
[ -z "$left" ] || { echo "# left behind: $left"; exit 1; }
exit $status
