"""One frame, its mask and its overlay."""

import sys

from cornea_stream import snapshot

snapshot(sys.argv[1], "0:05.5", sys.argv[2])
