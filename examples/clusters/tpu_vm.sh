#!/usr/bin/env bash
# A search on a Cloud TPU: asks for a spot TPU VM, installs tflottery there,
# runs the search into a bucket, and deletes the VM, however it ends.
#
#   BUCKET=my-bucket examples/clusters/tpu_vm.sh [FLAGS OF tflottery find]
#
# When the VM is taken away, start the same line again: the search goes on from
# its last checkpoint in the bucket. Stay connected while it runs.
#
# No TPU was at hand when this was written: tflottery is TPU-safe by design and
# tested with XLA, not on a TPU. Try it on something small first.
#
# Change, here or from outside:
# - BUCKET, which the service account of TPU VMs must be allowed to write; it
#   should be in the region of the zone. `gcloud config set project ...` first;
# - ZONE, ACCELERATOR_TYPE and RUNTIME_VERSION, which belong together:
#   v5litepod-8 with v2-alpha-tpuv5-lite; v3-8 or v4-8 with tpu-ubuntu2204-base.
#   Types of one host only: a slice of several hosts is set up differently;
# - BATCH_SIZE, that of the whole step: a multiple of the replicas;
# - TENSORFLOW: the newest release of the package tensorflow-tpu, and LIBTPU,
#   the library that it was made for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

BUCKET="${BUCKET:?Write BUCKET=name in front of the command.}"
NAME="${NAME:-tflottery}"
ZONE="${ZONE:-us-central1-a}"
ACCELERATOR_TYPE="${ACCELERATOR_TYPE:-v5litepod-8}"
RUNTIME_VERSION="${RUNTIME_VERSION:-v2-alpha-tpuv5-lite}"
BATCH_SIZE="${BATCH_SIZE:-64}"
TENSORFLOW="${TENSORFLOW:-2.20}"
LIBTPU="${LIBTPU:-0.0.14}"
PAUSE="${PAUSE:-30}"

wheels="$(mktemp -d)"

clean_up() {
  rm -rf "${wheels}"
  gcloud compute tpus queued-resources delete "${NAME}" \
    --zone="${ZONE}" --force --quiet
}

on_vm() {
  gcloud compute tpus tpu-vm ssh "${NAME}" --zone="${ZONE}" --command="$1"
}

python3 -m pip wheel --quiet --no-deps --wheel-dir="${wheels}" .

gcloud compute tpus queued-resources create "${NAME}" \
  --node-id="${NAME}" \
  --zone="${ZONE}" \
  --accelerator-type="${ACCELERATOR_TYPE}" \
  --runtime-version="${RUNTIME_VERSION}" \
  --spot
trap clean_up EXIT

while true; do
  state="$(gcloud compute tpus queued-resources describe "${NAME}" \
    --zone="${ZONE}" --format="value(state.state)")"
  echo "${NAME}: ${state}"
  case "${state}" in
    ACTIVE) break ;;
    FAILED | SUSPENDING | SUSPENDED) exit 1 ;;
  esac
  sleep "${PAUSE}"
done

gcloud compute tpus tpu-vm scp "${wheels}"/tflottery-*.whl "${NAME}": \
  --zone="${ZONE}"

# tensorflow-tpu takes the place of tensorflow, and tf-keras asks for that, so
# first everything is installed, and then the one put in the other's place.
on_vm "
  set -e
  sudo apt-get install --yes --quiet python3-venv
  python3 -m venv venv
  venv/bin/pip install --quiet ./tflottery-*.whl \
    'tensorflow==${TENSORFLOW}.*' 'tf-keras==${TENSORFLOW}.*'
  venv/bin/pip uninstall --quiet --yes tensorflow
  venv/bin/pip install --quiet --force-reinstall --no-deps \
    'tensorflow-tpu==${TENSORFLOW}.*' 'libtpu==${LIBTPU}'
"
# The claim of a VM that vanished expires after two minutes. Installing took
# longer than that.
flags=""
if (($# > 0)); then flags="$(printf ' %q' "$@")"; fi
on_vm "venv/bin/tflottery find \
  --strategy=tpu \
  --tpu=local \
  --keras=tf_keras \
  --batch_size=${BATCH_SIZE} \
  --run_dir=gs://${BUCKET}/tflottery/first${flags}"
