"""The losses, a file each: f(logits, mask, **settings) returns a value a pixel or a value an image.

`logits` are float32 (B,2,H,W), `mask` is uint8 (B,H,W) with 0, 1 (pet) and 255 (not counted). Values a pixel, (B,H,W),
are averaged over the counted pixels of the whole batch, values an image, (B,), over its images.
"""
