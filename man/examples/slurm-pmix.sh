#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
#
# One rank of Xylem on every host of the allocation, for as long as the job runs.  For a Slurm that has the
# PMIx plugin (`srun --mpi=list` names pmix), and a Xylem that was built with PMIx.
#SBATCH --job-name=xylem
#SBATCH --nodes=8
#SBATCH --ntasks-per-node=1
#SBATCH --time=01:00:00
set -eu

run=/tmp/xylem-$SLURM_JOB_ID # on each host
export XYLEM_URI=local://$run/local
each_host=(--nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --overlap)

# Keys and addresses are exchanged through Slurm: nothing else is needed.
srun "${each_host[@]}" --mpi=pmix xylem-brokerd \
    --rundir "$run" --local "$run/local" --statedir "${SCRATCH:-$HOME}/xylem-$SLURM_JOB_ID" &
trap 'xylem shutdown; wait' EXIT
until [ -S "$run/local" ]; do
    kill -0 $! || exit 1
    sleep 0.2
done
xylem overlay status --wait full -t 60s

# Whatever the job is for: each task finds the rank of its host through XYLEM_URI.
srun --overlap sh -c 'xylem kvs put "task.$SLURM_PROCID=$(hostname)"'
xylem kvs dir task
