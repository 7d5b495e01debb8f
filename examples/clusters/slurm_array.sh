#!/usr/bin/env bash
# A study on a Slurm cluster: one array task per replicate, one run directory.
#
#   sbatch examples/clusters/slurm_array.sh [FLAGS OF tflottery find]
#
# Change:
# - the lines #SBATCH below: your partition and account, time, memory, and
#   --gpus=1 away where there are none;
# - RUN_DIR, a folder that every node sees, or gs://BUCKET/...;
# - REPLICATES, and --array to match: 0 to REPLICATES - 1. It is a setting of
#   the run: submit again what is missing with --array, not with fewer of them;
# - TFLOTTERY, where the command is installed; `module load ...` goes above it.
#
# The variables may come from outside as well:
#
#   RUN_DIR=/scratch/me/study REPLICATES=10 sbatch --array=0-9 \
#     examples/clusters/slurm_array.sh --recipe=lenet_300_100_mnist
#
#SBATCH --job-name=tflottery
#SBATCH --array=0-4
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --gpus=1
#SBATCH --time=12:00:00
#SBATCH --output=%x-%A_%a.log
#SBATCH --open-mode=append
# A task that is preempted, or whose node fails, is queued again:
#SBATCH --requeue
# Two minutes before the time is up the search is interrupted as by Ctrl-C:
#SBATCH --signal=INT@120
set -euo pipefail

RUN_DIR="${RUN_DIR:-runs/study}"
REPLICATES="${REPLICATES:-5}"
TFLOTTERY="${TFLOTTERY:-tflottery}"

# Since Slurm 22.05 srun does not take this over from sbatch by itself.
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"

code=0
srun "${TFLOTTERY}" find \
  --run_dir="${RUN_DIR}" \
  --replicates="${REPLICATES}" \
  --replicate="${SLURM_ARRAY_TASK_ID}" \
  "$@" || code=$?
if ((code == 130)); then
  # The time is up. Whatever is left is done by the same task, again.
  scontrol requeue "${SLURM_JOB_ID}"
  exit 0
fi
exit "${code}"
