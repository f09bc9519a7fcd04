"""Streams the overlay to standard output or a network address."""
