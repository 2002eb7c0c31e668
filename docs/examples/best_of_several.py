"""Paint several images, score them with a CLIP that has not guided them, and keep the best one, enlarged."""

from engine import Studio

PROMPT = "a yellow owl"

with Studio() as studio:
    images = studio.dreams(PROMPT, count=3, seed=1, steps=20, size="192x192")
    scores = studio.score(images, PROMPT)
    best = max(zip(scores, images, strict=True), key=lambda pair: pair[0])[1]
    studio.upscale(best, 2).save("owl.png")
