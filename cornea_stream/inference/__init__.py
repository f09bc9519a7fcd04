"""Frames in, corneas out: the segmenter, sessions, calibration frames."""
