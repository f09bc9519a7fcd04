"""An overlay video."""

import sys

from cornea_stream import OverlayStyle, Segmenter, VideoWriter, open_source

style = OverlayStyle("cyan", contour=True)
with open_source(sys.argv[1]) as source, VideoWriter(sys.argv[2] + "/o.mp4", source) as writer:
    for found in Segmenter().stream(source):
        writer.write(found.overlay(style), found.frame)
