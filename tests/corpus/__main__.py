"""Generates the corpus, runs the product over it and saves what was found.

    nice python -m tests.corpus --folder /tmp/corpus --save benchmarks/results/corpus.json

Deterministic by its seed. A run that was cut off goes on where it was: each whole file with its
damaged variants leaves one record in the folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.report import save

from .run import run_corpus


def main() -> int:
    """Run the corpus; 1 if a whole file is read wrong or too much harm is untold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for media and records")
    parser.add_argument("--rounds", type=int, default=2, help="videos per kind")
    parser.add_argument("--damaged", type=int, default=4, help="damaged variants per file")
    parser.add_argument("--every", type=int, default=1, help="only every n-th file")
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="where to save the counts as JSON")
    options = parser.parse_args()
    result = run_corpus(options)
    if options.save:
        save(options.save, result)
    else:
        print(json.dumps(result, indent=2))
    return int(bool(result["whole_wrong"]) or result["untold_percent_of_hurt"] >= 5)


if __name__ == "__main__":
    sys.exit(main())
