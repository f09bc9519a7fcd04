"""Procedural surgical eyes with their true masks: frames, frames without an eye, moving clips.

Variety over polish: colors, sizes, tissue, instruments and camera faults are drawn at random
over a wide range (domain randomisation), so that a network trained on them meets real recordings
as one more variation. Everything follows from the seed.
"""

from cornea_stream.synthetic.clip import generate_clip
from cornea_stream.synthetic.frame import generate_empty, generate_frame
from cornea_stream.synthetic.traits import KINDS

__all__ = ["KINDS", "generate_clip", "generate_empty", "generate_frame"]
