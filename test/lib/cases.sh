# SPDX-License-Identifier: MPL-2.0
# cases.sh - sourced behind rig.sh: cases that are told in Python.

# cases HASH FILE SUITE: those of test/lib/FILE_cases.py, one by one
cases()
{
    local word sentence count=0

    while read -r word sentence; do
        case $word in
        ok) report 0 "$3: $sentence" ;;
        skip) echo "# skipped: $3: $sentence" ;;
        *) report 1 "$3: ${sentence#ok }" ;;
        esac
        count=$((count + 1))
    done < <(timeout 200 python3 "$ROOT/test/lib/$2_cases.py" "$RUNDIR" "$1" "$3" 2>&1 ||
        echo "not ok the suite came to its end")
    check "$3: there were cases" test $count -gt 0
}
