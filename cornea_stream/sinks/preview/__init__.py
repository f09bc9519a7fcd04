"""The overlay in a browser while a run works."""
