"""Networks of the small models alone: CLIP, classifier, layout and composer."""
