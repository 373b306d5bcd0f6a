"""Methods that learn in environments: one file each (``logpi.methods.find_method``)."""
