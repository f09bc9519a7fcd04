"""What README.md and docs/ say: their commands, their Python, their prose."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NOT_RUN = ("bibtex", "json")
"""Languages of blocks that nobody runs."""


def name(page: Path) -> str:
    """Return a page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield language and text of every fenced block; a command's language is empty."""
    for found in _BLOCK.finditer(page.read_text("utf-8")):
        yield found[1], found[2]


def commands() -> dict[str, str]:
    """Return every command of the shell, as it is typed, with the page where it stands."""
    found: dict[str, str] = {}
    for page in PAGES:
        for language, text in blocks(page):
            if not language:
                for line in text.replace("\\\n", " ").splitlines():
                    command = line.split(" #")[0]
                    if command.strip():
                        found.setdefault(" ".join(command.split()), name(page))
    return found


def python_blocks() -> list[tuple[str, str]]:
    """Return a name and the text of every block of Python."""
    return [
        (f"{name(page)}, block {number}", text)
        for page in PAGES
        for number, (language, text) in enumerate(blocks(page))
        if language == "python"
    ]


def arguments(command: str) -> list[str]:
    """Return what the program gets; pipes and the like stay as they are."""
    return shlex.split(command)


def code_cells(notebook: Path) -> list[str]:
    """Return the code of a notebook, cell by cell."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
