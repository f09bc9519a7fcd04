"""Many sources: which, by whom they are done, and what came of each."""
