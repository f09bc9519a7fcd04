"""Frames, planes, color, overlay painting, addresses."""
