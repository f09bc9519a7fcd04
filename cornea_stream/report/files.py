"""The pages as files: rendered from templates with all assets inlined.

A page names its generator in its head. Only pages with our generator are replaced.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from cornea_stream.errors import OutputError
from cornea_stream.media.class_name import in_words
from cornea_stream.storage import output_errors, write_file

REPORT, INDEX = "report.html", "index.html"
_GENERATOR = '<meta name="generator" content="cornea-stream report">'
# Browsers expect the character set within the first 1024 bytes; the generator is next to it.
_HEAD_BYTES = 1024


def check_replaceable(path: Path, overwrite: bool) -> None:
    """Raise OutputError if `path` is a file that cornea-stream did not write."""
    if not overwrite and path.exists() and not _is_ours(path):
        raise OutputError(
            f"not a page of cornea-stream: {path}: pass overwrite=True to replace it, or move "
            "it away"
        )


def discard(path: Path) -> None:
    """Remove a page that cornea-stream wrote; keep any other file. Raises OutputError."""
    if _is_ours(path):
        with output_errors(path):
            path.unlink()


def write_page(
    path: Path,
    template: str,
    context: Mapping[str, object],
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    overwrite: bool,
) -> Path:
    """Render a template with `styles` and `scripts` inlined, write it, and return `path`.

    Values of `context` are escaped. The page only allows its own scripts, by their hashes, so
    nothing runs even if a name gets past the escaping.
    Raises OutputError.
    """
    check_replaceable(path, overwrite)
    code = [_asset(name) for name in scripts]
    page = (
        _environment()
        .get_template(template)
        .render(
            context,
            generator=Markup(_GENERATOR),
            styles=[Markup(_asset(name)) for name in styles],
            scripts=[Markup(text) for text in code],
            script_hashes=Markup(" ".join(map(_hash, code))),
        )
    )
    # File names that are invalid in the system's encoding contain surrogates, which UTF-8 rejects.
    write_file(path, page.encode(errors="replace"))
    return path


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _GENERATOR.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cornea_stream.report", "assets"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["in_words"] = in_words
    return environment


def _asset(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0].strip()


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
