"""Correction of masks in the browser: frames of runs in, annotations for training out."""
