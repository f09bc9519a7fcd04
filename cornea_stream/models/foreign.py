"""The state dict of a PSPNet inside of what people save: wrappers, prefixes, older names, heads.

Trainers nest it (`state_dict`, `model_state_dict`, `net`), wrap the network (`model.`, `module.`,
`_orig_mod.`), keep an averaged copy beside it, and add other heads. It is found by its own layers,
not by the names around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cornea_stream.models.infer_spec import first_keys
from cornea_stream.models.other_networks import name_network

if TYPE_CHECKING:
    import torch

HEAD = "segmentation_head.0.weight"
_PARTS = ("encoder.", "decoder.", "segmentation_head.")
_MOST_NESTED = 4
_AVERAGED = re.compile(r"(^|[._ /])(ema|swa|average|averaged)([._ /]|$)", re.IGNORECASE)
# Names of segmentation-models-pytorch before 0.1 and, of encoders from timm, before 0.5.
_RENAMED = (
    (re.compile(r"^decoder\.final_conv\."), "segmentation_head.0."),
    (re.compile(r"^decoder\.psp\.stages\."), "decoder.psp.blocks."),
    (re.compile(r"^(decoder\.(?:conv|psp\.blocks\.\d+\.pool\.1))\.conv\."), r"\1.0."),
    (re.compile(r"^(decoder\.(?:conv|psp\.blocks\.\d+\.pool\.1))\.batchnorm\."), r"\1.1."),
)
_TIMM = re.compile(r"^encoder\.(conv_stem|bn1|blocks)\.")


@dataclass(frozen=True, slots=True)
class Found:
    """A state dict as `smp.PSPNet` names it, where it stood, and what was left out or chosen."""

    state_dict: dict[str, torch.Tensor]
    place: str
    notes: tuple[str, ...]


def find_weights(content: Mapping[str, Any]) -> Found:
    """Return the PSPNet in the content of a file; of several copies the averaged one.

    Raises ValueError that says what was found instead.
    """
    found = [_unwrapped(*candidate) for candidate in _candidates(content)]
    if not found:
        raise ValueError(_what_it_is(content))
    chosen = next((one for one in found if _AVERAGED.search(one.place)), found[0])
    notes = list(chosen.notes)
    if len(found) > 1:
        others = ", ".join(one.place or "the top" for one in found if one is not chosen)
        notes.insert(0, f"took the weights at {chosen.place or 'the top'}, not those at {others}")
    return Found(chosen.state_dict, chosen.place, tuple(notes))


def _candidates(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield each state dict with the place of the network in it, and its prefix."""
    for place, tensors in _nested(content, "", _MOST_NESTED):
        for name in tensors:
            for head in (HEAD, "decoder.final_conv.weight"):
                if name == head or name.endswith("." + head):
                    prefix = name.removesuffix(head)
                    if not any(other.startswith(f"{prefix}decoder.psp.") for other in tensors):
                        continue  # other networks of the library have the same head
                    yield f"{place} {prefix}".strip(), tensors, prefix


def _nested(
    content: Mapping[Any, Any], place: str, levels: int
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    import torch

    tensors = {k: v for k, v in content.items() if isinstance(v, torch.Tensor)}
    if tensors:
        yield place, {str(name): value for name, value in tensors.items()}
    for name, value in content.items():
        if isinstance(value, Mapping) and levels:
            yield from _nested(value, f"{place}/{name}".lstrip("/"), levels - 1)


def _unwrapped(place: str, tensors: Mapping[str, torch.Tensor], prefix: str) -> Found:
    of_timm = f"{prefix}encoder.conv_stem.weight" in tensors
    kept: dict[str, torch.Tensor] = {}
    left_out: dict[str, int] = {}
    for name, tensor in tensors.items():
        own = _renamed(name.removeprefix(prefix), of_timm)
        if name.startswith(prefix) and own.startswith(_PARTS):
            kept[own] = tensor.float() if tensor.is_floating_point() else tensor
        elif not name.endswith("n_averaged") and not _is_other_copy(name, prefix):
            part = name.removeprefix(prefix).split(".")[0]
            left_out[part] = left_out.get(part, 0) + 1
    listed = ", ".join(f"{part} ({count} tensors)" for part, count in left_out.items())
    return Found(kept, place, (f"left out of the weights: {listed}",) if listed else ())


def _is_other_copy(name: str, prefix: str) -> bool:
    """Whether a tensor belongs to the same network under another prefix."""
    inside = re.search(r"(?:^|\.)((?:encoder|decoder|segmentation_head)\..*)", name)
    return inside is not None and not name.startswith(prefix or name)


def _renamed(name: str, of_timm: bool) -> str:
    for pattern, replacement in _RENAMED:
        name = pattern.sub(replacement, name)
    return _TIMM.sub(r"encoder.model.\1.", name) if of_timm else name


def _what_it_is(content: Mapping[Any, Any]) -> str:
    places = list(_nested(content, "", _MOST_NESTED))
    if not places:
        return f"found keys {first_keys(content)}, not all of them tensors"
    tensors = max((one for _, one in places), key=len)
    network = name_network(tensors)
    what = f"it is {network}, " if network else ""
    return f"{what}found {len(tensors)} tensors ({first_keys(tensors)}) and no PSPNet"
