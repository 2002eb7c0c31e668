"""CLIPs (perceptors): loading them by name, embedding images and texts, vocabulary, the choice of the judge; LPIPS.

Imports loaders, nets, runtime, images, requests and catalogue.
"""
