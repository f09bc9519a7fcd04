"""Every error that the program raises on purpose says what to do next."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cornea_stream import errors
from cornea_stream.cli import app, messages
from cornea_stream.cli.messages import as_options
from cornea_stream.runs.options import RunOptions
from cornea_stream.sources.read_options import ReadOptions
from cornea_train.config import TrainConfig

ROOT = Path(__file__).parents[1]
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.CorneaStreamError)
} | {"BadParameter"}
VERBS = (
    "add annotate check choose close connect convert copy correct end expected export get give "
    "install keep leave let look make move pass pip pipe put raise reinstall run save start swap "
    "take try use write"
)
ADVICE = re.compile(rf"--[a-z]|(?:^|[:;,] |\bor |\band )(?:{VERBS.replace(' ', '|')})\b")
"""An option, or an imperative at the beginning of a clause; or what was expected instead."""

REASONED = {
    "a newer frame replaced this one": "asked for with newest_only; the caller goes on",
    "{}": "one cause for every picture of a folder that cannot be read",
}
"""Messages without a next step, and why."""


@dataclass(frozen=True)
class Module:
    """A file of code, and the functions in it that messages are made with."""

    path: Path
    tree: ast.Module = field(compare=False)

    @property
    def functions(self) -> Mapping[str, ast.FunctionDef]:
        return {n.name: n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef)}

    def errors(self) -> Iterator[tuple[str, str]]:
        """Yield the place and each possible text of every error that is made here."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and node.args and _name(node.func) in KINDS:
                for text in self.texts(node.args[0]):
                    yield f"{self.path.relative_to(ROOT)}:{node.lineno}", text

    def texts(self, node: ast.expr) -> list[str]:
        """Return what an expression may say, with `{}` for what is filled in."""
        if isinstance(node, ast.Constant):
            return [str(node.value)]
        if isinstance(node, ast.FormattedValue):
            return self.texts(node.value)
        if isinstance(node, ast.JoinedStr):
            return ["".join(parts) for parts in product(*map(self.texts, node.values))]
        if isinstance(node, ast.IfExp):
            return self.texts(node.body) + self.texts(node.orelse)
        if isinstance(node, ast.BoolOp):
            return [text for value in node.values for text in self.texts(value)]
        if isinstance(node, ast.Call) and (made := self.functions.get(_name(node.func))):
            returns = (n.value for n in ast.walk(made) if isinstance(n, ast.Return) and n.value)
            return [text for value in returns for text in self.texts(value)]
        return ["{}"]


def _name(node: ast.expr) -> str:
    return getattr(node, "id", "") or getattr(node, "attr", "")


def read(path: Path) -> Module:
    return Module(path, ast.parse(path.read_text("utf-8")))


ALL = [
    found
    for folder in ("cornea_stream", "train")
    for path in sorted((ROOT / folder).rglob("*.py"))
    for found in read(path).errors()
]


def advises(text: str) -> bool:
    return bool(ADVICE.search(text))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("input not found: {}: check the path", True),
        ("output exists: {}: pass --overwrite", True),
        ("cannot write output: {}: {}", False),
        ("the use of {} makes no sense", False),
    ],
)
def test_what_counts_as_advice(text: str, good: bool) -> None:
    assert advises(text) is good


def test_every_error_says_what_to_do() -> None:
    assert len(ALL) > 150
    silent = [f"{place}: {text}" for place, text in ALL if not advises(text)]
    unexplained = [told for told in silent if told.split(": ", 1)[1] not in REASONED]
    assert not unexplained, "add what to do next: " + "\n".join(unexplained)


def test_no_exception_has_outlived_its_message() -> None:
    assert set(REASONED) <= {text for _, text in ALL if not advises(text)}


def test_the_messages_in_the_troubleshooting_table_are_real() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    table = page[page.index("| message |") :]
    listed = [
        found
        for row in table.splitlines()[2:]
        for found in re.findall(r"`(.*?)`", row.split("|")[1])
    ]
    assert len(listed) > 20
    # Listed within an error, with the name of the structure.
    reasons = (
        (ROOT / "train" / "formats" / "base.py").read_text("utf-8").replace("{name}", "cornea")
    )
    patterns = [re.escape(text.split(":")[0]).replace(r"\{\}", ".+") for _, text in ALL]
    unknown = [
        words
        for words in listed
        if not any(words in text for text in (reasons, *(text for _, text in ALL)))
        and not any(re.fullmatch(p, words) for p in patterns if re.search("[a-z]", p))
    ]
    assert unknown == []


def test_every_parameter_becomes_an_option_of_a_command() -> None:
    commands: dict[str, Any] = vars(get_command(app))["commands"]
    options = {
        option
        for command in commands.values()
        for param in command.params
        for option in param.opts
        if option.startswith("--")
    }
    parameters = {
        field.name for kind in (RunOptions, TrainConfig, ReadOptions) for field in fields(kind)
    }
    # In words only: a target of a stream, the sinks of a preview, the files and PNGs of a run.
    assert {
        name for name in parameters if as_options(f"{name} must be 1").split()[0] not in options
    } == {"files", "frame_masks", "frame_overlays", "streams"}


def test_parameters_become_options_and_paths_stay() -> None:
    failed, tried = doctest.testmod(messages)
    assert (failed, tried) == (0, 4)
    assert as_options("min_lr is above lr").startswith("--min-lr is above")
    assert as_options("fold is for folds: give folds=5") == "--fold is for folds: give --folds 5"
    assert as_options("calibration is for int8 only").startswith("--calibration-data is for")
    assert as_options("try every=2, precision=int8") == "try --stride 2, --precision int8"
    assert (
        as_options("/data/every=2/device=cpu.mp4: broken") == "/data/every=2/device=cpu.mp4: broken"
    )
