"""What pulls a picture towards its prompts: perceptors, targets, cutouts, losses."""
