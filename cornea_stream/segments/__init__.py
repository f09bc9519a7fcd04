"""Long videos in segments: dealt out, run apart, checked against each other and joined."""
