"""The options of `run` in groups, each of which knows what it means to the library.

Annotations are not postponed in these files: compiling them again from text would slow down every
start.
"""

from cornea_stream.cli.panels.files import Outputs, Reading
from cornea_stream.cli.panels.network import Engine, Masks, Throughput, Weights
from cornea_stream.cli.panels.session import ManyVideos, Terminal
from cornea_stream.cli.panels.showing import Look, Streams

__all__ = [
    "Engine",
    "Look",
    "ManyVideos",
    "Masks",
    "Outputs",
    "Reading",
    "Streams",
    "Terminal",
    "Throughput",
    "Weights",
]
