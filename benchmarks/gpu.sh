#!/usr/bin/env bash
# Everything that needs a GPU, in one go of under nine minutes, the most telling steps first; each
# step leaves its result in the folder given before the next one begins.
#
#   benchmarks/gpu.sh OUT [VIDEO]
#
# Runs from a checkout with the machine's own python3, which needs torch, torchvision, timm,
# opencv-python-headless, typer, rich, safetensors and pytest. WHEELS names a folder of wheels to
# install first, without the network and without their dependencies: av and
# segmentation-models-pytorch, say. Without VIDEO a clip is generated.
#
# Every step has a limit of time, and one that fails does not stop the others: steps.txt tells how
# each ended, and the exit code is 1 if any failed. DEVICE=cpu tries the script itself elsewhere.
#
# With TRAIN_MINUTES set, the default weights are trained on the GPU for so long afterwards
# (REAL names a folder of annotated frames to mix in) and written to OUT as well.
set -uo pipefail
mkdir -p "${1:?usage: benchmarks/gpu.sh OUT [VIDEO]}"
out=$(realpath "$1")
video=${2:+$(realpath "$2")}
cd "$(dirname "$0")/.."
device=${DEVICE:-cuda}
export PYTHONPATH="$PWD:$PWD/.ci/typing${PYTHONPATH:+:$PYTHONPATH}"
failed=0
: > "$out/steps.txt"

# step NAME SECONDS COMMAND...: run it with a limit; what it prints goes to NAME.txt.
step() {
  local name=$1 limit=$2 began=$SECONDS code=0
  shift 2
  timeout --kill-after=10 "$limit" "$@" > "$out/$name.txt" 2>&1 || code=$?
  [ "$code" = 0 ] || { failed=1; tail -n 15 "$out/$name.txt"; }
  echo "$name: exit code $code after $((SECONDS - began)) s" | tee -a "$out/steps.txt"
}

# measure NAME SECONDS ARGUMENTS...: `cornea-stream benchmark`, its JSON to NAME.json.
measure() {
  local name=$1 limit=$2
  shift 2
  step "$name" "$limit" bash -c 'python3 -m cornea_stream benchmark "${@:2}" --json > "$1"' \
    - "$out/$name.json" "$video" --device "$device" "$@"
}

if [ -n "${WHEELS:-}" ]; then
  step wheels 30 bash -c 'python3 -m pip install --no-index --no-deps "$1"/*.whl' - "$WHEELS"
fi
step gpu 10 nvidia-smi
step info 20 python3 -m cornea_stream info
if [ -z "$video" ]; then
  video="$out/clip.mp4"
  step clip 40 python3 -c "
import pathlib, sys
from benchmarks.media import reencoded
from cornea_stream.synthetic.demo import write_clip
out = pathlib.Path(sys.argv[1])
write_clip(out / 'small.mp4', seconds=6, seed=7, overwrite=True)
reencoded(out / 'small.mp4', out / 'clip.mp4', (1920, 1080))" "$out"
fi
mapfile -t gpu_tests < <(grep -lE 'mark\.gpu' tests/test_*.py)
# Without the project's options: the plugins that they are for need not be here.
step tests 100 python3 -m pytest -q -o addopts= -p no:cacheprovider -m gpu "${gpu_tests[@]}"
step agreement 50 python3 -m benchmarks.agreement "$video" --device "$device" \
  --output "$out/agreement.json"
for decoder in cpu nvdec; do
  for batch in 1 8 32; do
    step "run_${decoder}_$batch" 15 bash -c 'python3 -m cornea_stream run "${@:2}" --json > "$1"' \
      - "$out/run_${decoder}_$batch.json" "$video" --device "$device" --decoder "$decoder" \
      --batch-size "$batch" -o "$out/run_${decoder}_$batch"
  done
done
measure stages 75
measure stages_nvdec 30 --decoder nvdec --no-engines
step peers 80 python3 -m benchmarks.peers "$video" --device "$device" --rounds 2 \
  --output "$out/peers.json"
if [ -n "${TRAIN_MINUTES:-}" ]; then
  step training $((60 * TRAIN_MINUTES + 120)) python3 -m cornea_train.recipes.default_weights \
    --device "$device" --minutes "$TRAIN_MINUTES" --workers "$(nproc)" --batch-scale 8 \
    ${REAL:+--real "$REAL"} --out "$out/cornea_default.safetensors"
fi
exit "$failed"
