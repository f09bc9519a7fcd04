"""From logits to one cornea: mask, contours, measurements, smoothing over time."""
