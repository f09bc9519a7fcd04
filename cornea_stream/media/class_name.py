"""The structure that is segmented: its name in legends, file names and sentences."""

from __future__ import annotations

import re

CLASS_NAME = "Cornea"
"""The structure that a network segments unless its checkpoint names another."""
_LENGTH = 40


def is_class_name(name: str) -> bool:
    """Whether a name can stand in legends and file names: letters, digits, blanks, - and _."""
    return len(name) <= _LENGTH and re.fullmatch(r"\w(?:[\w -]*\w)?", name) is not None


def as_class_name(name: str) -> str:
    """Return the name of a class in annotations as one for legends and file names.

    >>> as_class_name(" CORNEA "), as_class_name("pupil"), as_class_name("I/A Handpiece")
    ('Cornea', 'Pupil', 'I-A Handpiece')
    """
    if name.strip().casefold() == CLASS_NAME.casefold():
        return CLASS_NAME
    allowed = re.sub(r"[^\w -]", "-", " ".join(name.split()))[:_LENGTH].strip(" -")
    return allowed[:1].upper() + allowed[1:]


def in_words(class_name: str) -> str:
    """Return a name as it stands within a sentence: an abbreviation keeps its capitals.

    >>> in_words("Cornea"), in_words("IOL")
    ('cornea', 'IOL')
    """
    return class_name.lower() if class_name.istitle() else class_name
