#!/usr/bin/env bash
# Everything that needs a GPU, in one go of under ten minutes; JSON goes to the folder given.
#
#   benchmarks/gpu.sh OUT [VIDEO]
#
# With TRAIN_MINUTES set, the default weights are trained on the GPU for so long afterwards
# (REAL names a folder of annotated frames to mix in) and written to OUT as well.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: benchmarks/gpu.sh OUT [VIDEO]}
video=${2:-}
mkdir -p "$out"
export PYTHONPATH="$PWD:$PWD/.ci/typing${PYTHONPATH:+:$PYTHONPATH}"  # runs from a checkout too

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv > "$out/gpu.csv"
python3 -m cornea_stream info --json > "$out/info.json"
python3 -m pytest -q -m gpu tests 2>&1 | tee "$out/tests.txt"
python3 -m cornea_stream benchmark $video --baseline --json > "$out/benchmark.json"
if [ -n "${TRAIN_MINUTES:-}" ]; then
  python3 -m cornea_train.default_weights --device cuda --minutes "$TRAIN_MINUTES" \
    --workers "$(nproc)" --batch-scale 8 ${REAL:+--real "$REAL"} \
    --out "$out/cornea_default.safetensors" 2>&1 | tee "$out/training.txt"
fi
