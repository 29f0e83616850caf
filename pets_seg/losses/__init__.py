"""The losses, one per file: f(logits, mask, **settings) returns one value per pixel or per image.

`logits` are float32 (B,2,H,W), `mask` is uint8 (B,H,W) with 0, 1 (pet) and 255 (ignored). Values per pixel, (B,H,W),
are averaged over the pixels of the whole batch that are not ignored, values per image, (B,), over its images.
"""
