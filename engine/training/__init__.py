"""The one trainer: the primer's nets, and fine-tuning a diffusion model on a folder of pictures.

A `Task` (task.py) is what is learned: a net, its batches, its loss and its scores. `Trainer` (loop.py) is how.
"""
