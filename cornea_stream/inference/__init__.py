"""Inference: the segmenter, sessions and calibration frames."""
