"""A camera, recorded with the overlay."""

import sys

from cornea_stream import RunOptions, run_source

run_source(sys.argv[1], sys.argv[2], options=RunOptions(reconnect_s=0))
