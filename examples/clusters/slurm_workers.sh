#!/usr/bin/env bash
# One search over several nodes of a Slurm cluster: a worker per node, which
# uses all GPUs that Slurm gives it there.
#
#   sbatch examples/clusters/slurm_workers.sh [FLAGS OF tflottery find]
#
# Change:
# - the lines #SBATCH below: your partition and account, nodes, GPUs, time;
# - RUN_DIR, a folder that every node sees, or gs://BUCKET/...: only the first
#   worker touches it, but it may run on another node the next time;
# - BATCH_SIZE, that of the whole step: a multiple of nodes x GPUs per node;
# - TFLOTTERY, where the command is installed; `module load ...` goes above it.
#
#SBATCH --job-name=tflottery-workers
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
# A job that is preempted, or that has lost a node, is queued again:
#SBATCH --requeue
# Two minutes before the time is up the search is interrupted as by Ctrl-C:
#SBATCH --signal=INT@120
set -euo pipefail

RUN_DIR="${RUN_DIR:-runs/workers}"
BATCH_SIZE="${BATCH_SIZE:-64}"
TFLOTTERY="${TFLOTTERY:-tflottery}"

# Since Slurm 22.05 srun does not take this over from sbatch by itself.
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"

code=0
# When a worker ends early, the others have two minutes to say so.
srun --kill-on-bad-exit=0 --wait=120 --label \
  "${TFLOTTERY}" find \
  --strategy=multi_worker \
  --keras=tf_keras \
  --batch_size="${BATCH_SIZE}" \
  --run_dir="${RUN_DIR}" \
  "$@" || code=$?
if ((code == 130)); then
  # The time is up. Whatever is left is done by the same job, again.
  scontrol requeue "${SLURM_JOB_ID}"
  exit 0
fi
exit "${code}"
