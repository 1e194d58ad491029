# SPDX-License-Identifier: MIT
"""Exercise 3: from a PNG file to the pixels that the vision tower reads, bit for bit as Pillow and CLIPImageProcessor."""
import struct
import zlib

import numpy as np

F = np.float32

def decode(path):
    """The bytes [height, width, 3] of a PNG file that is not interlaced. Alpha is dropped; of 16 bits the upper 8 are kept."""
    with open(path, "rb") as f:
        raw, at, chunks = f.read(), 8, {}
    while at < len(raw):
        size, kind = struct.unpack(">I4s", raw[at:at + 8])
        chunks[kind] = chunks.get(kind, b"") + raw[at + 8:at + 8 + size]
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    stride, step = (width * channels * depth + 7) // 8, max(1, channels * depth // 8)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, stride + 1)
    above, rows = [0] * (stride + step), []
    for line in lines.tolist():
        row = [0] * step                                         # filters read `step` zeros to the left of each line
        for k, value in enumerate(line[1:], step):
            a, b, c = row[k - step], above[k], above[k - step]
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row.append((value + (0, a, b, (a + b) // 2, paeth)[line[0]]) & 255)
        above = row
        rows.append(row[step:])
    bits = np.array(rows, np.uint8)
    if depth < 8:
        bits = np.unpackbits(bits, axis=1)[:, :width * depth].reshape(height, width, depth) @ (1 << np.arange(depth)[::-1])
    x = bits.reshape(height, width, channels, -1)[..., 0]
    if colour == 3:
        return np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)[x[..., 0]]
    x = x * (255 // ((1 << depth) - 1) if depth < 8 else 1)
    return drop_alpha(x, colour).astype(np.uint8)

def drop_alpha(x, colour): return x[..., :3] if colour in (2, 6) else x[..., [0, 0, 0]]

def bicubic(x):
    x = np.abs(x)
    return np.where(x < 1, (1.5 * x - 2.5) * x * x + 1, np.where(x < 2, (((x - 5) * x + 8) * x - 4) * -0.5, 0))

def resize_rows(x, size):
    """Resizes the first axis of bytes [n, m, 3] to `size` as Pillow does, with integer sums and weights of 22 bits."""
    if size == len(x):
        return x
    scale = len(x) / size
    wide = max(scale, 1.0)
    out = np.empty((size,) + x.shape[1:], np.uint8)
    for k in range(size):
        centre = (k + 0.5) * scale
        first, last = max(int(centre - 2 * wide + 0.5), 0), min(int(centre + 2 * wide + 0.5), len(x))
        w = bicubic((np.arange(first, last) - centre + 0.5) * (1 / wide))
        total = 0.0
        for one in w.tolist():
            total += one
        w = w / total * (1 << 22)
        w = np.where(w < 0, np.trunc(w - 0.5), np.trunc(w + 0.5)).astype(np.int64)
        out[k] = np.clip(((1 << 21) + np.tensordot(w, x[first:last].astype(np.int64), 1)) >> 22, 0, 255)
    return out

def resize(x, height, width): return resize_rows(resize_rows(x.swapaxes(0, 1), width).swapaxes(0, 1), height)

def pads(settings): return settings.get("do_pad", False)

def pad(x, settings):
    """A square of the colour trunc(255 mean), with the picture in its centre. If the settings ask for no square: the picture."""
    if not pads(settings):
        return x
    (h, w), side = x.shape[:2], max(x.shape[:2])
    out = np.empty((side, side, 3), np.uint8)
    out[:] = [int(m * 255) for m in settings["image_mean"]]
    out[(side - h) // 2:(side - h) // 2 + h, (side - w) // 2:(side - w) // 2 + w] = x
    return out

def place(x, settings):
    """Pads x if the settings ask for it, resizes it so that its shorter edge has the size that is asked for, and cuts out the centre."""
    x = pad(x, settings)
    (h, w), short, crop = x.shape[:2], settings["size"]["shortest_edge"], settings["crop_size"]
    x = resize(x, *((short, short * w // h) if h <= w else (short * h // w, short)))
    top, left = (x.shape[0] - crop["height"]) // 2, (x.shape[1] - crop["width"]) // 2
    return x[top:top + crop["height"], left:left + crop["width"]]

def normalise(x, settings, fused=False):
    """Floats [3, height, width]; each of the operations rounds to fp32. fused: mean and std include the rescaling."""
    mean, std, scale = np.array(settings["image_mean"], F), np.array(settings["image_std"], F), settings["rescale_factor"]
    if fused:
        k = F(1 / scale)
        y = (x.astype(F) - mean * k) / (std * k)
    else:
        y = ((x * scale).astype(F) - mean) / std
    return np.ascontiguousarray(y.transpose(2, 0, 1))
