"""Many sources: which, who works on them, and what came of each."""
