"""Groups of options: dataclasses whose fields a command takes as options of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import fields, is_dataclass
from functools import cache, wraps
from typing import Annotated, Any, get_args, get_type_hints


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let `command` take the fields of its dataclass parameters as options.

    Options without a panel of their own appear in the help under the `PANEL` of their dataclass.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    taken: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        hint = hints[parameter.name]
        if is_dataclass(hint) and isinstance(hint, type):
            groups[parameter.name] = hint
            taken += _options(hint)
        else:
            taken.append(parameter.replace(annotation=hint, kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def flat(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        command(**values)

    flat.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in taken}
    return flat


@cache
def _options(group: Any) -> list[inspect.Parameter]:
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=_in_panel(field.type, group.PANEL),
        )
        for field in fields(group)
    ]


def _in_panel(hint: Any, panel: str) -> Any:
    kind, option = get_args(hint)
    option = copy(option)
    option.rich_help_panel = option.rich_help_panel or panel
    return Annotated[kind, option]
