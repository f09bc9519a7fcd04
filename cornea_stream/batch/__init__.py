"""Many sources: finding them, distributing the work, collecting the results."""
