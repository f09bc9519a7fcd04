"""The overlay in the browser during a run."""
