"""The network: PSPNet, its exact algebra, and its weights."""
