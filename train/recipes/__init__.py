"""How the weights that come with the package were trained, repeatable from one command."""
