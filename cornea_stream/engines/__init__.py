"""Inference engines: batches of images in, logits out, several batches in flight."""

from cornea_stream.engines.factory import build_engine
from cornea_stream.engines.protocol import Engine, Pending
from cornea_stream.engines.torch_engine import TorchEngine

__all__ = ["Engine", "Pending", "TorchEngine", "build_engine"]
