"""Goes through the corpus: generate, run, damage, run again, compare."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from . import compare, independent
from .axes import VideoCase, video_cases
from .counts import count
from .damage import KINDS, damaged
from .product import Product
from .stills import StillCase, still_cases, write_still
from .videos import write_video

Case: TypeAlias = VideoCase | StillCase
_ROUNDING_S = 2e-3


def run_corpus(options: argparse.Namespace) -> dict[str, Any]:
    """Run what has no record in the folder yet; return the counts."""
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in cases(options.seed, options.rounds) if options.only in name]
    names = names[:: options.every]
    missing = [name for name in names if not _record(folder, name).exists()]
    one = partial(_recorded, options.seed, options.rounds, options.damaged, folder)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=spawn) as pool:
        for number, name in enumerate(pool.map(one, missing)):
            print(f"{number + 1} of {len(missing)}: {name}", flush=True)
    return count([json.loads(_record(folder, name).read_text()) for name in names])


@cache
def cases(seed: int, rounds: int) -> dict[str, Case]:
    """Return the cases of the corpus by the names of their files."""
    videos: dict[str, Case] = {
        f"{number:03}-{video.codec}-{video.pix_fmt}.{video.suffix}": video
        for number, video in enumerate(video_cases(seed, rounds))
    }
    stills = {f"{still.name.replace(' ', '-')}.{still.suffix}": still for still in still_cases()}
    return {**videos, **stills}


def tried(
    name: str, case: Case, seed: int, variants: int, folder: Path, product: Product
) -> dict[str, Any]:
    """Generate a file, run the product over it and over damaged variants; return a record.

    Only damaged files of which nothing was told are kept.
    """
    rng, path = np.random.default_rng((seed, *name.encode())), folder / name
    is_video = isinstance(case, VideoCase)
    truth = write_video(case, path, rng) if is_video else write_still(case, path)
    whole, overlay = product.run(path, overlay=is_video)
    wrong = compare.wrong_in_whole(truth, whole, independent.read(path))
    if overlay is not None:
        wrong += compare.wrong_in_overlay(whole, overlay)
    content, entries = path.read_bytes(), []
    for number in range(variants):
        kind = list(KINDS)[(sum(name.encode()) + number) % len(KINDS)]
        bad = path.with_name(f"{path.stem}-{number}{path.suffix}")
        bad.write_bytes(damaged(content, kind, rng, path.suffix))
        read, _ = product.run(bad)
        harm = compare.harm(whole, read, max(truth.tick_s, _ROUNDING_S))
        untold = harm.hurt and not harm.told
        seen = untold and is_video and independent.complains(bad)
        entries.append({"file": bad.name, "kind": kind, **asdict(harm), "seen_by_ffmpeg": seen})
        if not untold:
            bad.unlink()
    path.unlink()
    return {"name": name, "traits": case.traits, "wrong": wrong, "damaged": entries}


def _recorded(seed: int, rounds: int, variants: int, folder: Path, name: str) -> str:
    case = cases(seed, rounds)[name]
    if isinstance(case, StillCase) and case.exif != 1:
        variants = 0  # turned images add nothing here
    try:
        record = tried(name, case, seed, variants, folder, _product(folder))
    except Exception:
        found = ["internal error: " + traceback.format_exc()]
        record = {"name": name, "traits": case.traits, "wrong": found, "damaged": []}
    _record(folder, name).write_text(json.dumps(record))
    return name


def _record(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


@cache
def _product(folder: Path) -> Product:
    own = folder / f"process-{os.getpid()}"
    own.mkdir(exist_ok=True)
    return Product(own)
