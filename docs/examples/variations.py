"""Go on from an image with other words, watch the steps, and repeat the result from its own record."""

from engine import Studio


def show(progress) -> None:
    print(f"step {progress.step} of {progress.steps}, {len(progress.snapshots)} previews")


with Studio(threads=1) as studio:
    first = studio.dream("a green house", seed=3, steps=12, size="192x192")
    second = studio.dream("a green house | snow:0.5", init=first, seed=4, steps=12, size="192x192", on_progress=show)
    second.save("snow.png")
    again = studio.dream("a white boat", seed=5, steps=12, size="192x192")
    assert studio.replay(again).image.tobytes() == again.image.tobytes()
