"""Frames, planes, color, painting, addresses."""
