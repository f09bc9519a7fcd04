"""One run: its options, its plan, its run.json."""
