"""What the site has beside the pages in docs/: the repository's own texts, and the commands.

README.md is the first page, so nothing has to be written twice. Links are written as GitHub
follows them, from file to file in the repository, and are turned into the site's here.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, InclusionLevel

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "model_weights/MODEL_CARD.md": "model_card.md",
    "benchmarks/README.md": "benchmarks.md",
    "ARCHITECTURE.md": "architecture.md",
    "RELIABILITY.md": "reliability.md",
    "CHANGELOG.md": "changelog.md",
}
"""Texts of the repository, and the pages that they become."""
NOTEBOOKS = ROOT / "docs" / "tutorials"
_HOMES = {page: text for text, page in PAGES.items()}
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")


def on_files(files: Any, config: Any) -> Any:
    """Add the repository's texts, and the files that they and the pages link to."""
    for text, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / text).read_text("utf-8")))
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        files.append(
            File.generated(config, f"tutorials/{notebook.stem}.md", content=_read(notebook))
        )
    for file in [file for file in files if file.is_documentation_page()]:
        for target in _targets(file.src_uri, file.content_string):
            if target not in PAGES and not target.startswith("docs/") and (ROOT / target).is_file():
                linked = File.generated(
                    config, target, abs_src_path=str(ROOT / target),
                    inclusion=InclusionLevel.INCLUDED,
                )  # fmt: skip
                if target not in files.src_uris:
                    files.append(linked)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page's text with the site's links; that of `cli.md` with the reference."""
    uri = page.file.src_uri

    def replace(match: re.Match[str]) -> str:
        target = _in_repository(uri, match[1])
        there = PAGES.get(target, target.removeprefix("docs/").replace(".ipynb", ".md"))
        return f"]({posixpath.relpath(there, posixpath.dirname(uri) or '.')}"

    markdown = _LINK.sub(replace, markdown)
    return f"{markdown}\n{_commands()}" if uri == "cli.md" else markdown


def _targets(uri: str, markdown: str) -> set[str]:
    return {_in_repository(uri, link) for link in _LINK.findall(markdown)}


def _in_repository(uri: str, link: str) -> str:
    """Return the path in the repository that a link on a page leads to."""
    home = _HOMES.get(uri, f"docs/{uri}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(home), link))


def _read(notebook: Path) -> str:
    """Return a notebook as Markdown."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return "\n\n".join(f"```python\n{t}\n```" if kind == "code" else t for kind, t in texts)


def _commands() -> str:
    """Return the help of every command, as it is printed."""
    import typer

    from cornea_stream.cli import app

    program: Any = typer.main.get_command(app)
    with program.make_context("cornea-stream", [], resilient_parsing=True) as context:
        texts = [f"```\n{program.get_help(context)}\n```"]
        for name, command in program.commands.items():
            with command.make_context(
                name, [], parent=context, resilient_parsing=True, terminal_width=90
            ) as own:
                texts.append(f"## {name}\n\n```\n{command.get_help(own)}\n```")
    return "\n\n".join(texts)
