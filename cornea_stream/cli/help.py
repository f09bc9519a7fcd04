"""Help of a command: options in plain headed sections.

Rich draws such panels too, but it takes 0.25 s to import.
"""

from __future__ import annotations

from typing import Any

MOST_USED = "Most used"
INPUT = "Input"
OUTPUTS = "Outputs"
MASKS = "Masks"
ENGINE = "Engine"
STREAMS = "Streams"
MANY_VIDEOS = "Many videos"
DATA = "Data"
SAMPLES = "Samples"
NETWORK = "Network"
OPTIMIZATION = "Optimization"
DISPLAY = "Display"
OTHER = "Options"
PANELS = (
    MOST_USED, INPUT, OUTPUTS, MASKS, ENGINE, STREAMS, MANY_VIDEOS, DATA, SAMPLES, NETWORK,
    OPTIMIZATION,
)  # fmt: skip

_FEW = 12
"""Up to this many options need no panels."""
OLD_NAMES = frozenset({"--calibrate", "--every", "--frames", "--segment"})
"""Names of options that still work, and that help no longer shows."""
_METAVARS = {"int": "N", "float": "N", "str": "TEXT", "Path": "PATH"}
_WIDEST_NAME = 28


def write_options(params: list[Any], formatter: Any) -> None:
    """Write arguments, then the options of each panel."""
    arguments = [p for p in params if p.param_type_name == "argument" and not p.hidden]
    if arguments:
        with formatter.section("Arguments"):
            formatter.write_dl([(argument_name(p), p.help or "") for p in arguments])
    for panel, options in by_panel(params).items():
        with formatter.section(panel):
            rows = [(name_of(option), description(option)) for option in options]
            formatter.write_dl(rows, col_max=_WIDEST_NAME)


def by_panel(params: list[Any]) -> dict[str, list[Any]]:
    """Return the visible options of each panel; a command with few options has one panel."""
    panels: dict[str, list[Any]] = {panel: [] for panel in PANELS}
    options = [param for param in params if param.param_type_name == "option" and not param.hidden]
    has_panels = len(options) > _FEW
    for option in options:
        if option.name != "help":
            own = getattr(option, "rich_help_panel", None)
            panel = own if has_panels and own else OTHER
            panels.setdefault(panel, []).append(option)
    panels |= {OTHER: panels.pop(OTHER, []), DISPLAY: panels.pop(DISPLAY, [])}
    filled = {panel: found for panel, found in panels.items() if found}
    last = filled.setdefault(OTHER if DISPLAY not in filled else DISPLAY, [])
    last.extend(option for option in options if option.name == "help")
    return filled


def argument_name(param: Any) -> str:
    """Return how usage and help show an argument: VIDEO, [TIME] or SOURCE..."""
    name = param.metavar or param.name.upper()
    if param.nargs != 1 and not name.endswith("..."):
        name += "..."
    return name if param.required else f"[{name}]"


def name_of(param: Any) -> str:
    """Return the names of an option and what it takes: -o, --output-dir DIR."""
    names = ", ".join(shown_names(param))
    if param.secondary_opts:
        return f"{names}/{param.secondary_opts[0]}"
    return names if param.is_flag else f"{names} {metavar_of(param)}"


def shown_names(param: Any) -> list[str]:
    """Return the names of an option that help shows, short ones first."""
    shown = [name for name in param.opts if name not in OLD_NAMES]
    return sorted(shown, key=lambda name: name.startswith("--"))


def metavar_of(param: Any) -> str:
    """Return the placeholder for the value of an option."""
    if param.metavar:
        return str(param.metavar)
    annotation = getattr(getattr(param, "type_descriptor", None), "annotation", str)
    return _METAVARS.get(getattr(annotation, "__name__", "str"), "TEXT")


def description(param: Any) -> str:
    """Return the help of an option with its default."""
    default = param.show_default if isinstance(param.show_default, str) else param.default
    if default is None or callable(default) or isinstance(default, bool) or default in ("", []):
        default = "on" if default is True and param.secondary_opts else None
    text = param.help or ""
    if default is not None:
        text += f"  [{default}]"
    return f"{text}  [required]" if param.required else text
