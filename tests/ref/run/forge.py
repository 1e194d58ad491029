# SPDX-License-Identifier: MIT
"""forge.py CHECKPOINT OUT: copies a checkpoint of language-model adapters, flips the lowest bit of the first number of
the first weight, and puts in the SHA-256 that fits. This is a forgery: somebody changes a training between two checkpoints and goes on."""
import hashlib
import json
import struct
import sys

MODULES = "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj lora_A lora_B".split()
data = bytearray(open(sys.argv[1], "rb").read())
begin = 8 + struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:begin])


def place(name):
    """The key by which trainable weights are sorted: layer after layer, module after module."""
    return int(name.split(".")[3]), [k for k, module in enumerate(MODULES) if module in name]


def bytes_of(name):
    return [begin + at for at in header[name]["data_offsets"]]


def digest(weights):
    h = hashlib.sha256()
    for name in [kind + w for w in weights for kind in ("", "adam.m.", "adam.v.")] + [
            "train." + x for x in ("step", "powers", "identity", "log.bytes", "log", "memory")]:
        for text in (name, header[name]["dtype"], str(header[name]["shape"])):
            h.update(text.encode() + b"\0")
        h.update(data[slice(*bytes_of(name))])
    return h.hexdigest().encode()


weights = sorted((name for name in header if name.startswith("language_model.")), key=place)
own = slice(*bytes_of("train.digest"))
assert digest(weights) == data[own], "the digest of the honest checkpoint is not understood"
data[bytes_of(weights[0])[0]] ^= 1
data[own] = digest(weights)
open(sys.argv[2], "wb").write(data)
