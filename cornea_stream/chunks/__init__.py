"""Long videos cut at keyframes, run apart, and joined."""
