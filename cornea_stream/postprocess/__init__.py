"""From logits to results: mask, contours, measurements, pixel spacing, temporal smoothing."""
