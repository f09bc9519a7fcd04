"""Threads between stages: queues, the pipeline itself, live statistics."""
