"""Results of other tools, as their files have them."""
