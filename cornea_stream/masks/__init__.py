"""From logits to one smooth cornea, its outline and its measurements."""
