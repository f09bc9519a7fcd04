"""Speed measurements: each stage alone, the whole pipeline, the bound and a plain loop."""

from cornea_stream.diagnostics.benchmark.chart import plot
from cornea_stream.diagnostics.benchmark.harness import Benchmark, Stage, bound, run_benchmark
from cornea_stream.diagnostics.benchmark.inference import Inference
from cornea_stream.diagnostics.benchmark.plain_loop import plain_loop

__all__ = ["Benchmark", "Inference", "Stage", "bound", "plain_loop", "plot", "run_benchmark"]
