"""The PSPNet, its exact simplifications, and its weights on disk."""
