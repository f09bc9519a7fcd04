"""Values as people of this field spell them: `half`, camera numbers."""

from __future__ import annotations

import sys
from pathlib import Path


def precision_name(text: str) -> str:
    """Return the name of a precision: `half` is fp16."""
    from cornea_stream.engines import names

    return names.precision_name(text)


def camera(source: str) -> str:
    """Return the device file of a camera given by its number, as OpenCV counts; else `source`."""
    if source.isdecimal() and sys.platform == "linux" and not Path(source).exists():
        return f"/dev/video{int(source)}"
    return source
