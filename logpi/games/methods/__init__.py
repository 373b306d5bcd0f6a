"""Methods that learn board games from self-play: one file each (``logpi.methods.find_method``)."""
