"""Trains a diffusion net on a folder of images, from published weights or from none.

pictures    the folder: squares, captions, the files that are left out
process     noise schedule and losses of guided-diffusion
timesteps   which timesteps a batch trains on
"""
