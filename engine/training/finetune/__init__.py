"""Trains a diffusion net on a folder of images, from published weights or from none.

command     a whole run, from the folder to the model; `start` loads the weights, `result` installs the model
run         the loop; `saves` writes its states, `ledger` its log, `samples` its grids, `report` its report
process     noise schedule and losses of guided-diffusion; `timesteps` chooses timesteps
pictures    the folder: squares, captions, classes, the files that are left out; `picture_cache` keeps the squares
options     options by guided-diffusion's names
lora        low-rank adapters
ranks       several processes that train one net
"""
