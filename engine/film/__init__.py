"""Films: each frame is painted from the previous one, moved. No torch; the caller paints.

    camera       zoom, rotation and shift of a frame, constant or by key frames: ``0:1, 50:1.05``
    scenes       prompts along a film: ``a ^ b ^ c`` or ``0: a | 40: b``, with crossfades
    plan         the request of every frame, and which frames exist

The camera moves in two dimensions; there is no depth.
"""
