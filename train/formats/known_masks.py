"""Class numbers of published mask images."""

from __future__ import annotations

import re

from cornea_stream.errors import UsageError
from cornea_train.formats import masks
from cornea_train.formats.base import DataOptions, Reading
from cornea_train.formats.files import DataFolder

_CADIS_NAMES = (
    "Pupil", "Surgical Tape", "Hand", "Eye Retractors", "Iris", "Skin", "Cornea",
    "Hydrodissection Cannula", "Viscoelastic Cannula", "Capsulorhexis Cystotome",
    "Rycroft Cannula", "Bonn Forceps", "Primary Knife", "Phacoemulsifier Handpiece",
    "Lens Injector", "I/A Handpiece", "Secondary Knife", "Micromanipulator",
    "I/A Handpiece Handle", "Capsulorhexis Forceps", "Rycroft Cannula Handle",
    "Phacoemulsifier Handpiece Handle", "Capsulorhexis Cystotome Handle",
    "Secondary Knife Handle", "Lens Injector Handle", "Suture Needle", "Needle Holder",
    "Charleux Cannula", "Primary Knife Handle", "Vitrectomy Handpiece", "Mendez Ring", "Marker",
    "Hydrodissection Cannula Handle", "Troutman Forceps", "Cotton", "Iris Hooks",
)  # fmt: skip
CADIS = {name: (number,) for number, name in enumerate(_CADIS_NAMES)}
"""CaDIS, the masks of Flouty et al. 2019 and Grammatikopoulou et al. 2021, where 0 is a class."""
CATARACT_1K = {
    # Every pixel has one class, and the disc inside the limbus also shows pupil and lens.
    "Cornea": (1, 2, 3), "Pupil": (2,), "Lens": (3,), "Slit Knife": (4,), "Gauge": (5,),
    "Capsulorhexis Cystotome": (6,), "Spatula": (7,), "Phacoemulsification Tip": (8,),
    "Irrigation-Aspiration": (9,), "Lens Injector": (10,), "Incision Knife": (11,),
    "Katena Forceps": (12,), "Capsulorhexis Forceps": (13,),
}  # fmt: skip
"""Masks that are commonly made of Cataract-1K's annotations, 0 being the background."""
EXPECTS_CADIS = "the masks of CaDIS: Video*/Images/*.png with Video*/Labels/*.png"
EXPECTS_CATARACT_1K = "masks with class numbers of Cataract-1K (0 to 13), as case*/mask/*.png"
_CADIS_MASK = re.compile(r"(^|/)Video\d+/Labels/[^/]+$")


def is_cadis(folder: DataFolder) -> bool:
    """Whether a folder has the layout of CaDIS."""
    return any(map(_CADIS_MASK.search, folder.images))


def read_cadis(folder: DataFolder, options: DataOptions) -> Reading:
    """Return the pairs of CaDIS. Raises UsageError for the class Cornea, which differs there."""
    if options.is_class("Cornea") and options.mask_value is None:
        raise UsageError(
            "Cornea is something else in CaDIS, the eye around the iris: give mask_value=0,4 for "
            "the disc inside the limbus (pupil and iris), or mask_value=6 for that class"
        )
    return masks.read(folder, options, CADIS)


def read_cataract_1k(folder: DataFolder, options: DataOptions) -> Reading:
    """Return the pairs of images and masks with the class numbers of Cataract-1K."""
    return masks.read(folder, options, CATARACT_1K)
