"""A finished run as its folder tells it: what was measured, what stands out, one picture of it."""
