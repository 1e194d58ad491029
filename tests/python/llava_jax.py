# SPDX-License-Identifier: MIT
"""A plain LLaVA in JAX. `p` is a dict of parameters by the Hub's names. `rows` is a dict of what the modules read beside their
activations (ids, positions, pixels, …), with the rows of all samples packed one after the other: Step.rows of pulse_capture_jax.
`tap` gets each value of a module and returns it; Step.tap also records it."""
import jax
import jax.numpy as jnp

V, L = "vision_tower.vision_model.", "language_model.model."          # the beginnings of the parameters' names


def linear(p, name, x):
    y = x @ p[name + ".weight"].T
    return y + p[name + ".bias"] if name + ".bias" in p else y


def layernorm(p, name, x, eps):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps) * p[name + ".weight"] + p[name + ".bias"]


def rmsnorm(p, name, x, eps):
    return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + eps) * p[name + ".weight"]


def attend(q, k, v, dim, segments, causal):
    """Attention in each segment (first query, number of queries, first key, number of keys). A head is dim wide."""
    out = []
    for a, n, b, m in segments.reshape(-1, 4).tolist():
        Q, K, U = (t.reshape(len(t), -1, dim).transpose(1, 0, 2) for t in (q[a:a + n], k[b:b + m], v[b:b + m]))
        K, U = (jnp.repeat(t, len(Q) // len(t), 0) for t in (K, U))                # grouped heads
        s = Q @ K.transpose(0, 2, 1) / dim ** .5
        s = jnp.where(jnp.arange(m)[None] <= jnp.arange(n)[:, None] + m - n, s, -jnp.inf) if causal else s
        out.append((jax.nn.softmax(s) @ U).transpose(1, 0, 2).reshape(n, -1))
    return jnp.concatenate(out)


def rope(x, dim, rows):
    c, s = (jnp.asarray(rows["rope." + k])[rows["positions"]][:, None] for k in ("cos", "sin"))
    a, b = jnp.split(x.reshape(len(x), -1, dim), 2, -1)
    return jnp.concatenate([a * c - b * s, b * c + a * s], -1).reshape(len(x), -1)


def tower(p, config, rows, tap):
    v, pixels = config["vision_config"], jnp.asarray(rows["pixels"])
    patch, depth, eps = v["patch_size"], v["num_hidden_layers"] + 1 + config["vision_feature_layer"], v["layer_norm_eps"]
    x = jax.lax.conv_general_dilated(pixels, p[V + "embeddings.patch_embedding.weight"], (patch, patch), "VALID")
    x = x.reshape(*x.shape[:2], -1).transpose(0, 2, 1)
    first = jnp.broadcast_to(p[V + "embeddings.class_embedding"], (len(x), 1, x.shape[-1]))
    x = jnp.concatenate([first, x], 1) + p[V + "embeddings.position_embedding.weight"]
    positions, x = x.shape[1], tap(V + "embeddings", x.reshape(-1, x.shape[-1]))
    x = tap(V + "pre_layrnorm", layernorm(p, V + "pre_layrnorm", x, eps))
    for k in range(depth):
        at = V + "encoder.layers.%d." % k
        y = layernorm(p, at + "layer_norm1", x, eps)
        q, u, w = (linear(p, at + "self_attn.%s_proj" % n, y) for n in "qkv")
        y = attend(q, u, w, v["hidden_size"] // v["num_attention_heads"], rows["picture.segments"], False)
        x = x + tap(at + "self_attn", linear(p, at + "self_attn.out_proj", y))
        y = linear(p, at + "mlp.fc1", layernorm(p, at + "layer_norm2", x, eps))
        x = x + tap(at + "mlp", linear(p, at + "mlp.fc2", y * jax.nn.sigmoid(1.702 * y)))
    return x.reshape(-1, positions, x.shape[-1])[:, 1:].reshape(-1, x.shape[-1])


def logits(p, config, rows, tap=lambda path, x, what="out": x):
    """The logits of the supervised rows."""
    t, x = config["text_config"], p[L + "embed_tokens.weight"][rows["ids"]]
    dim, eps = t.get("head_dim", t["hidden_size"] // t["num_attention_heads"]), t["rms_norm_eps"]
    if "pixels" in rows:
        y = linear(p, "multi_modal_projector.linear_1", tower(p, config, rows, tap))
        y = tap("multi_modal_projector", linear(p, "multi_modal_projector.linear_2", jax.nn.gelu(y, approximate=False)))
        x = jnp.concatenate([x, y])[rows["ids.1"]]                             # the rows of words and pictures, in their order
    for k in range(t["num_hidden_layers"]):
        at = L + "layers.%d." % k
        y = tap(at + "input_layernorm", rmsnorm(p, at + "input_layernorm", x, eps))
        q, u = (rope(linear(p, at + "self_attn.%s_proj" % n, y), dim, rows) for n in "qk")
        y = attend(q, u, linear(p, at + "self_attn.v_proj", y), dim, rows["segments"], True)
        x = x + tap(at + "self_attn", linear(p, at + "self_attn.o_proj", y))
        y = rmsnorm(p, at + "post_attention_layernorm", x, eps)
        y = jax.nn.silu(linear(p, at + "mlp.gate_proj", y)) * linear(p, at + "mlp.up_proj", y)
        x = x + tap(at + "mlp", linear(p, at + "mlp.down_proj", y))
    x = tap(L + "norm", rmsnorm(p, L + "norm", x[rows["picked"]], eps))
    return tap("language_model.lm_head", linear(p, "language_model.lm_head", x))
