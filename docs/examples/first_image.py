"""Paint one image and save it. The PNG holds everything that is needed to paint it again."""

from engine import dream

dream("a red circle on a blue background", seed=7).save("circle.png")
