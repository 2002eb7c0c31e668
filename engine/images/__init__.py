"""Image files and tensors: encoding, records in PNG, the search index, timelapses, SVG."""
