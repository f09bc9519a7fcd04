"""What all commands share: their help, and answers to names and values that they do not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from cornea_stream.cli.help import argument_name, shown_names, write_options
from cornea_stream.cli.suggestions import suggest_command, suggest_option
from cornea_stream.errors import ReaderGoneError

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
OPTIONAL_VALUES = {
    "--frames": re.compile(r"(?:masks|overlays)(?:,(?:masks|overlays))*"),
    "--save-frames": re.compile(r"(?:masks|overlays)(?:,(?:masks|overlays))*"),
}
"""Options that also stand alone, and the values that can follow them."""
DEFAULT_VALUE = "masks,overlays"


class CtrlCError(Exception):
    """Ctrl-C, which Typer itself would answer with an exit code and no word."""


class Command(TyperCommand):
    """A command whose help has panels, and whose errors name what was meant."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what follows the name of the command in the usage line."""
        arguments = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]
        return ["[OPTIONS]", *map(argument_name, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and panels of options."""
        write_options(self.get_params(ctx), formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; an unknown option leads to the one that was meant."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        with self._better_errors(ctx):
            names = _Names(self.get_params(ctx), ctx.token_normalize_func or str)
            return super().parse_args(ctx, list(names.completed(args, ctx.fail)))

    @contextmanager
    def _better_errors(self, ctx: Any) -> Iterator[None]:
        try:
            yield
        except _UsageError as err:
            unknown = getattr(err, "option_name", None)
            if unknown and hasattr(err, "possibilities"):
                err.possibilities = None
                known = [
                    name for p in self.get_params(ctx) for name in (*p.opts, *p.secondary_opts)
                ]
                hint = suggest_option(unknown, ctx.info_name, known)
                err.message = f"No such option: {unknown}: {hint}"  # type: ignore[attr-defined]
            elif (param := getattr(err, "param", None)) and param.param_type_name == "option":
                err.param_hint = shown_names(param)[-1]  # type: ignore[attr-defined]
            elif unknown == "--color":
                err.message = "Option '--color' requires a value: quote it: --color '#00aaff'"  # type: ignore[attr-defined]
            raise


class Commands(TyperGroup):
    """The program: an unknown command leads to the one that was meant."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C is reported by name, and a reader that went away by its code."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as err:  # Typer itself would exit with the code of a bug
            raise ReaderGoneError("nobody reads standard output: keep its reader going") from err
        except KeyboardInterrupt as err:
            raise CtrlCError(ctx.invoked_subcommand) from err

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command. Raises a usage error that names the right one."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            ctx.fail(f"No such command: {args[0]}: {suggest_command(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


def _is_word(following: str) -> bool:
    """Whether an argument can only be meant as a value: neither an option nor a source."""
    return re.fullmatch(r"[a-zA-Z,]+", following) is not None and not Path(following).exists()


class _Names:
    """The options of a command by their names, as they are typed."""

    def __init__(self, params: list[Any], normalize: Callable[[str], str]) -> None:
        self._normalize = normalize
        options = [param for param in params if param.param_type_name == "option"]
        self._all = {name for p in options for name in (*p.opts, *p.secondary_opts)}
        self._taking = {name for p in options if not (p.is_flag or p.count) for name in p.opts}

    def completed(self, args: list[str], fail: Callable[[str], Any]) -> Iterator[str]:
        """Yield the arguments, with the values that may be left out.

        Calls `fail` if an option would swallow the next option as its value.
        """
        waiting = iter(range(len(args)))
        for place in waiting:
            yield args[place]
            if args[place] == "--":
                yield from args[place + 1 :]
                return
            name = self._name(args[place])
            if name not in self._taking or "=" in args[place]:
                continue
            following = args[place + 1] if place + 1 < len(args) else None
            optional = OPTIONAL_VALUES.get(name)
            if optional and not (following and optional.fullmatch(following)):
                if following and _is_word(following):
                    fail(f"{name}: {following}: use masks, overlays or both, or check the path")
                yield DEFAULT_VALUE
            elif following is not None:
                if self._name(following) in self._all:
                    fail(f"Option {name} needs a value before {following}")
                yield following
                next(waiting, None)

    def _name(self, argument: str) -> str:
        """Return the option that an argument names, if it does."""
        return self._normalize(argument.partition("=")[0]) if argument[:2] == "--" else argument
