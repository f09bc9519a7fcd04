"""A finished run as its folder tells it: what was measured, and what stands out."""
