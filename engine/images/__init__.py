"""Image files and tensors: decoding (untrusted files in a child process), encoding, the search index, films, SVG."""
