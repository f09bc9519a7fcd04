"""Where names of other programs lead: `predict` to `run`, `--weights` to `--checkpoint`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_CLOSE = 0.75
"""Least likeness of two names; below it, a suggestion misleads more often than it helps."""
_COMMANDS = {
    "annotate": "label correct labelme",
    "benchmark": "bench speed profile",
    "config": "cfg configure settings options",
    "demo": "example sample try",
    "evaluate": "eval score test val validate",
    "export": "convert",
    "frame": "image screenshot snapshot still",
    "info": "check doctor env probe version",
    "report": "html page",
    "run": "batch camera detect infer inference live mask overlay predict process segment stream "
    "track video webcam",
    "summary": "figure plot",
    "train": "finetune fit",
}
_OPTIONS = {
    "--batch-size": "--batch --bs",
    "--precision int8 --calibration-data": "--calib --calibration",
    "--checkpoint": "--model --weight --weights --ckpt --pretrained",
    "--color": "--colour",
    "--contour": "--contours --outline --outlines --edges --border",
    "--device cpu": "--cpu",
    "--device gpu": "--cuda --gpu --gpus",
    "--end": "--to --stop",
    "--input-size": "--imgsz --img --img-size --image-size --size --resize",
    "--jobs": "--workers --num-workers --processes --threads",
    "--metrics": "--csv --measurements --measure --table",
    "--no-label": "--hide-labels --hide-label --no-legend",
    "--opacity": "--alpha",
    "--output-dir": "--output --out --outdir --out-dir --save-dir --project --dest",
    "--overwrite": "--force --exist-ok --yes",
    "--polygons": "--polygon --save-txt",
    "--precision int8": "--int8 --quantize",
    "--preview": "--show --view --view-img --display --window --gui",
    "--publish": "--stream --rtsp --push",
    "--quiet": "--silent",
    "--save-frames": "--png --pngs --images --save-images",
    "--start": "--ss --begin --from --offset",
    "--stride": "--vid-stride --skip --step --frame-step",
    "--contour --thickness": "--line-width --line-thickness --linewidth",
    "--threshold": "--conf --confidence --thresh --conf-thres --score",
    "--timestamp": "--at --time --seek",
    "--verbose": "-v --debug",
}
_SENTENCES = {
    "leave it out, as weights know their input (for those of other trainers, use --input-size and "
    "--input-normalization)": "--imgsz --img --img-size --image-size --size --resize",
    "use --end, the time at which to stop": "--duration --length",
    "use --mask for a video, or --save-frames masks for PNGs": "--masks --save-mask --save-masks",
    "use --opacity, of which 1 hides the frame": "--transparency",
    "use --precision bf16 on a CPU, or --precision fp16 on a GPU": "--half --fp16",
}
"""Hints where one option is not the whole answer, for commands with all options named in them."""
_WITHOUT_NAME = frozenset({"--source", "--input", "--video", "--file", "--path", "-i"})


def suggest_command(typed: str, known: Iterable[str]) -> str:
    """Return what to type instead of an unknown command, or an empty text."""
    name = typed.lower()
    for command, others in _COMMANDS.items():
        if command == name or name in others.split():
            return f"use: cornea-stream {command}"
    if "." in typed or Path(typed).exists():
        return f"to process it, use: cornea-stream run {typed}"
    matches = get_close_matches(name, list(known), 1, _CLOSE)
    return f"did you mean {matches[0]}?" if matches else "cornea-stream --help lists them"


def suggest_option(typed: str, command: str, known: Iterable[str]) -> str:
    """Return what to type instead of an unknown option of `command`."""
    names = set(known)
    for sentence, others in _SENTENCES.items():
        if typed in others.split() and names.issuperset(re.findall(r"--[\w-]+", sentence)):
            return sentence
    for option, others in _OPTIONS.items():
        if typed in others.split() and option.split()[0] in names:
            return f"use {option}"
    if typed in _WITHOUT_NAME:
        return f"write it without an option: cornea-stream {command} PATH"
    if re.match(r"-\.?\d", typed):
        return "a negative number is neither a time nor a source: leave out the minus"
    bare = {name.lstrip("-"): name for name in names}
    matches = get_close_matches(typed.lstrip("-"), list(bare), 1, _CLOSE)
    if matches:
        return f"did you mean {bare[matches[0]]}?"
    return f"cornea-stream {command} --help lists them"
