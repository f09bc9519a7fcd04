"""Options of a run in a TOML file: `--config` reads it, the command `config` writes it."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer

from cornea_stream.cli.help import by_panel, description

_NOT_SETTINGS = ("config", "help", "dry_run")


def read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Make the options in a TOML file the defaults of the command, for `--config`."""
    if path is None or ctx.resilient_parsing:
        return path
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib  # type: ignore[import-not-found, no-redef]
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as err:
        raise typer.BadParameter(f"cannot read {path}: {err}: check the path") from err
    except tomllib.TOMLDecodeError as err:
        raise typer.BadParameter(f"not TOML: {path}: {err}: correct it") from err
    ctx.default_map = dict(_checked(name, value, ctx, path) for name, value in settings.items())
    return path


def _checked(name: str, value: Any, ctx: typer.Context, path: Path) -> tuple[str, Any]:
    """Return the parameter that a line of the file sets, and its value."""
    known = {
        option.lstrip("-"): param
        for param in ctx.command.params
        if param.param_type_name == "option" and param.name not in _NOT_SETTINGS
        for option in param.opts
        if option.startswith("--")
    }
    param: Any = known.get(name.replace("_", "-"))
    if param is None:
        near = get_close_matches(name, known, 1)
        right = near[0] if near else "those that cornea-stream config prints"
        raise typer.BadParameter(f"unknown option in {path}: {name}: use {right}")
    if param.is_flag != isinstance(value, bool):
        expected = "true or false" if param.is_flag else "a value, not true or false"
        raise typer.BadParameter(
            f"wrong value in {path}: {name} = {_text(value)}: write {expected}"
        )
    if param.multiple:
        value = [str(one) for one in (value if isinstance(value, list) else [value])]
    return param.name, value if param.is_flag or param.multiple else str(value)


def as_toml(params: list[Any], values: dict[str, Any]) -> str:
    """Return the options of a command with these values; those without a value are comments."""
    lines: list[str] = []
    for panel, options in by_panel(params).items():
        settings = [param for param in options if param.name not in _NOT_SETTINGS]
        if not settings:
            continue
        lines += ["", f"# {panel}", ""]
        for param in settings:
            lines += [f"# {description(param)}", _line(param, values[param.name])]
    return "\n".join(lines[1:]) + "\n"


def _line(param: Any, value: Any) -> str:
    name = next(option for option in param.opts if option.startswith("--")).lstrip("-")
    is_unset = value is None or value in ([], ())
    return f"# {name} =" if is_unset else f"{name} = {_text(value)}"


def _text(value: Any) -> str:
    """Return a value in the notation of TOML."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else json.dumps(str(value))
