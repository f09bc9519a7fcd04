"""The overlay as a stream: to standard output or an address on the network."""
