"""Inference engines: batches of images in, logits out, with several batches in flight."""

from cornea_stream.engines.base import Engine, Pending
from cornea_stream.engines.factory import build_engine

__all__ = ["Engine", "Pending", "build_engine"]
