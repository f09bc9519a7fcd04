"""Write the command reference from the commands themselves while the site is built."""

from __future__ import annotations

from typing import Any


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page's text, with the reference behind that of `cli.md`."""
    if page.file.src_uri != "cli.md":
        return markdown
    import typer
    from typer.cli import get_docs_for_click

    from cornea_stream.cli import app

    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="cornea-stream")
    return markdown + "\n" + get_docs_for_click(obj=command, ctx=context, name="cornea-stream")
