#!/bin/bash
# SPDX-License-Identifier: MPL-2.0
#
# One rank of Xylem on every host of the allocation, for as long as the job runs.  For any Slurm: the ranks
# find each other by a configuration file with the hosts of the job.  HOME must be the same on all hosts.
#SBATCH --job-name=xylem
#SBATCH --nodes=8
#SBATCH --ntasks-per-node=1
#SBATCH --time=01:00:00
set -eu

run=/tmp/xylem-$SLURM_JOB_ID # on each host
shared=$HOME/.xylem-$SLURM_JOB_ID
export XYLEM_URI=local://$run/local
each_host=(--nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --overlap)

mkdir -m 700 "$shared"
xylem keygen "$shared/cert" >/dev/null
cat >"$shared/xylem.conf" <<END
hosts = "$(scontrol show hostnames "$SLURM_JOB_NODELIST" | paste -sd,)"
port = "$((20000 + SLURM_JOB_ID % 10000))"
instance = "slurm-$SLURM_JOB_ID"
cert = "$shared/cert"
rundir = "$run"
local = "$run/local"
statedir = "$shared/state"
END

srun "${each_host[@]}" --mpi=none xylem-brokerd --conf "$shared/xylem.conf" &
trap 'xylem shutdown; wait; rm -rf "$shared/cert" "$shared/cert.pub"' EXIT
until [ -S "$run/local" ]; do
    kill -0 $! || exit 1
    sleep 0.2
done
xylem overlay status --wait full -t 60s

# Whatever the job is for: each task finds the rank of its host through XYLEM_URI.
srun --overlap sh -c 'xylem kvs put "task.$SLURM_PROCID=$(hostname)"'
xylem kvs dir task
