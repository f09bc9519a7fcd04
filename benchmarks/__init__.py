"""Scripts behind every figure in the documents; their results lie in `results/`."""
