"""Segment the cornea in every frame of a cataract-surgery video.

from cornea_stream import Segmenter

for result in Segmenter().stream("surgery.mp4"):
    print(result.frame.time_s, result.confidence, result.mask.shape)
"""

import lazy_loader

__version__ = "0.1.0"

# The names are those of __init__.pyi. What stands behind one is imported when it is first used:
# video and network libraries take seconds, and `cornea-stream --help` must not wait for them.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
