"""Parts of `python -m engine dream`: request, order, run, output, the best of many."""
