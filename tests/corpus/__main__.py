"""Generates the corpus, runs the product over it and saves what was found.

    nice python -m tests.corpus --folder /tmp/corpus

Deterministic by its seed. A run that was cut off goes on where it was: each whole file with its
damaged variants leaves one record in the folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .run import run_corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for media and records")
    parser.add_argument("--rounds", type=int, default=3, help="videos per kind")
    parser.add_argument("--damaged", type=int, default=4, help="damaged variants per file")
    parser.add_argument("--every", type=int, default=1, help="only every n-th file")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="where to save the counts as JSON")
    parser.add_argument("--only", help="files whose name contains this")
    run_corpus(parser.parse_args())


if __name__ == "__main__":
    main()
