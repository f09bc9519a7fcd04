"""Inference engines: batches of images in, logits out, several batches in flight."""

from cornea_stream.engines.factory import build_engine
from cornea_stream.engines.protocol import Engine, Pending

__all__ = ["Engine", "Pending", "build_engine"]
