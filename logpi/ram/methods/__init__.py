"""Methods that classify images: one file each (``logpi.methods.find_method``)."""
