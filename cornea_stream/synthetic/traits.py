"""What a drawn scene shows: one draw of every trait, so that each can also be asked for by name."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True, slots=True)
class Traits:
    """The traits of one scene."""

    heads_up: bool
    """A 16:9 picture of a 3D heads-up system: eye in the middle, flat light, colored casts."""
    display: bool
    """Text bars, buttons and gauges of a recording system over the picture."""
    dim: bool
    """Little light and little contrast."""
    round_light: bool
    """A round field of light that ends on the white of the eye; around it, it is nearly dark."""
    cast: bool
    """A pink, violet, bluish, greenish or yellow cast."""
    soft_limbus: bool
    """The limbus is a gray-blue transition, up to 15 % of the radius wide."""
    limbal_zone: bool
    """The iris ends short of the limbus: a gray translucent zone lies between them."""
    arcus: bool
    """A whitish ring inside the limbus."""
    dark_iris: bool
    """A brown iris, about as dark as the pupil."""
    pale_iris: bool
    """A gray, green or yellow iris, hardly darker than the white of the eye."""
    dilated: bool
    """A pupil that leaves a tenth of the radius to the iris."""
    ink: bool
    """Dots and radial lines of a marker at the limbus."""
    blood: bool
    """Blood and hemorrhage that touch the limbus."""
    pigment: bool
    """Brown pigment around the limbus."""
    folds: bool
    """Ridges and bulges of the conjunctiva beside the limbus."""
    soft_occluder: bool
    """Fingers, gloves or swabs out of focus, over up to a third of the limbus."""
    instruments: bool
    """At least two instruments over the eye at once."""
    hooks: bool
    """Iris hooks or a pupil ring."""
    lens: bool
    """A lens with haptics."""
    bubbles: bool
    """Air bubbles on and in the eye."""
    trypan_blue: bool
    """The capsule is dyed blue."""
    glints: bool
    """Groups of two to four specular dots."""
    lid_cut: bool
    """A lid or drape covers part of the cornea."""


USUAL = {
    "heads_up": 0.4, "display": 0.15, "dim": 0.2, "round_light": 0.3, "cast": 0.3,
    "soft_limbus": 0.4, "limbal_zone": 0.3, "arcus": 0.15, "dark_iris": 0.2, "pale_iris": 0.25,
    "dilated": 0.3, "ink": 0.12, "blood": 0.25, "pigment": 0.15, "folds": 0.25,
    "soft_occluder": 0.22, "instruments": 0.3, "hooks": 0.06, "lens": 0.12, "bubbles": 0.2,
    "trypan_blue": 0.06, "glints": 0.4, "lid_cut": 0.15,
}  # fmt: skip
"""The chance of each trait, 0–1."""
KINDS = tuple(field.name for field in fields(Traits))
"""The names of the traits."""


def draw_traits(rng: np.random.Generator, *certain: str) -> Traits:
    """Return the traits of a scene; those named in `certain` are sure to be there.

    Raises ValueError for an unknown name.
    """
    for kind in certain:
        if kind not in KINDS:
            raise ValueError(f"unknown kind of frame: {kind}: choose one of {', '.join(KINDS)}")
    drawn = Traits(**{name: bool(rng.random() < USUAL[name]) for name in KINDS})
    if drawn.heads_up and rng.random() < 0.6:
        drawn = replace(drawn, display=True)
    if drawn.heads_up and rng.random() < 0.5:
        drawn = replace(drawn, cast=True, soft_limbus=True)
    if drawn.round_light and rng.random() < 0.5:
        drawn = replace(drawn, limbal_zone=True, pale_iris=True, dark_iris=False)
    return replace(drawn, **dict.fromkeys(certain, True))
