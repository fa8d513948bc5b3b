#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# slurm.sh - the batch scripts of man/examples, run as Slurm would run them on one host: with an srun and an
# scontrol that do here what they would do there.
. "$(dirname "$0")/../lib/rig.sh"

unset PMI_FD PMI_RANK PMI_SIZE PMIX_NAMESPACE
mkdir "$TEMP/bin" "$TEMP/home"
cat >"$TEMP/bin/srun" <<END
#!/bin/sh
while case \$1 in -*) ;; *) false ;; esac; do
    [ "\$1" != --mpi=pmix ] || pmix='$BUILD/test/cluster/pmix_run 1'
    shift
done
SLURM_PROCID=0 exec \$pmix "\$@"
END
cat >"$TEMP/bin/scontrol" <<'END'
#!/bin/sh
[ "$*" = 'show hostnames list-of-job' ] && hostname
END
chmod +x "$TEMP/bin/"*
PATH=$TEMP/bin:$PATH
export HOME=$TEMP/home SCRATCH=$TEMP/home TMPDIR=$TEMP
export SLURM_JOB_ID=$$ SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=list-of-job
RUNDIR=/tmp/xylem-$$

is_gone() { [ ! -e "$1" ] || { ls -lA "$1"; return 1; }; }
# run SCRIPT: what it prints, or why it fails
run()
{
    timeout 60 bash "$ROOT/man/examples/$1" >"$TEMP/out" 2>"$TEMP/err" && grep '^task' "$TEMP/out" && return
    cat "$TEMP/out" "$TEMP/err"
    return 1
}

check_output 'a job with a configuration file' "task.0 = $(hostname)" run slurm-conf.sh
check 'leaves nothing in its run directory' is_gone "$RUNDIR"
check 'and no key' is_gone "$HOME/.xylem-$$/cert"
check 'the data are there' xylem-fsck --statedir "$HOME/.xylem-$$/state"
if [ -x "$BUILD/test/cluster/pmix_run" ]; then
    check_output 'a job with PMIx' "task.0 = $(hostname)" run slurm-pmix.sh
    check 'leaves nothing in its run directory' is_gone "$RUNDIR"
    check 'the data are there' xylem-fsck --statedir "$HOME/xylem-$$"
else
    echo '# skipped: a job with PMIx: built without it'
fi
