"""Goes through the corpus: generate, run, damage, run again, compare."""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from . import compare, independent
from .axes import VideoCase, video_cases
from .counts import count
from .damage import KINDS, damaged
from .product import Product
from .stills import StillCase, still_cases, write_still
from .videos import write_video

Case = VideoCase | StillCase


def run_corpus(options: argparse.Namespace) -> None:
    """Run what has no record in the folder yet, then count."""
    options.folder.mkdir(parents=True, exist_ok=True)
    named = list(_cases(options.seed, options.rounds))[:: options.every]
    chosen = [name for name in named if (options.only or "") in name]
    missing = [name for name in chosen if not _record(options.folder, name).exists()]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.workers, mp_context=spawn) as pool:
        for name in pool.map(
            partial(_tried, options.seed, options.rounds, options.damaged, options.folder), missing
        ):
            print(name, flush=True)
    records = [
        json.loads(_record(options.folder, name).read_text())
        for name in chosen
        if _record(options.folder, name).exists()
    ]
    result = count(records)
    if options.save:
        from benchmarks.report import save

        save(options.save, result)
    else:
        print(json.dumps(result, indent=2))


@cache
def _cases(seed: int, rounds: int) -> dict[str, Case]:
    """Return the cases of the corpus by the names of their files."""
    videos = {
        f"{number:03}-{video.codec}-{video.pix_fmt}.{video.suffix}": video
        for number, video in enumerate(video_cases(seed, rounds))
    }
    stills = {f"{still.name.replace(' ', '-')}.{still.suffix}": still for still in still_cases()}
    return {**videos, **stills}


def _record(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


@cache
def _product(folder: Path) -> Product:
    own = folder / f"process-{os.getpid()}"
    own.mkdir(exist_ok=True)
    return Product(own)


def _tried(seed: int, rounds: int, variants: int, folder: Path, name: str) -> str:
    case = _cases(seed, rounds)[name]
    try:
        record = tried(name, case, seed, variants, folder, _product(folder))
    except Exception as err:
        import traceback

        print(name, case)
        traceback.print_exc()
        return name + " FAILED"
    _record(folder, name).write_text(json.dumps(record))
    return name


def tried(
    name: str, case: Case, seed: int, variants: int, folder: Path, product: Product
) -> dict[str, Any]:
    """Generate a file, run the product over it and over damaged variants; return a record."""
    rng = np.random.default_rng((seed, *name.encode()))
    path = folder / name
    is_video = isinstance(case, VideoCase)
    truth = write_video(case, path, rng) if is_video else write_still(case, path)
    whole, overlay = product.run(path, overlay=is_video)
    wrong = compare.wrong_in_whole(truth, whole, independent.read(path))
    if overlay is not None:
        wrong += compare.wrong_in_overlay(whole, overlay)
    content = path.read_bytes()
    found = []
    # What turned images add to whole files adds nothing to damaged ones.
    for number in range(variants if is_video or case.exif == 1 else 0):
        kind = list(KINDS)[(sum(name.encode()) + number) % len(KINDS)]
        bad = path.with_name(f"{path.stem}-{number}{path.suffix}")
        bad.write_bytes(damaged(content, kind, rng, path.suffix))
        read, _ = product.run(bad)
        harm = compare.harm(whole, read, max(truth.tick_s, 2e-3))
        entry = {"kind": kind, **dataclasses.asdict(harm)}
        if harm.hurt and not harm.told:
            entry |= {"file": bad.name, "seen_by_ffmpeg": is_video and independent.complains(bad)}
        else:
            bad.unlink()
        found.append(entry)
    path.unlink()
    traits = {k: str(v) for k, v in vars(case).items() if k not in ("write", "options")}
    return {"name": name, "traits": traits, "wrong": wrong, "damaged": found}
