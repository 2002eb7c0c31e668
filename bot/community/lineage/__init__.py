"""Where pictures come from: who may see which ancestor, the tree of a result, and its drawing."""
