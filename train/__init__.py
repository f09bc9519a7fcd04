"""Training of the cornea network; imported as `cornea_train`."""
