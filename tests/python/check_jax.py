# SPDX-License-Identifier: MIT
# environments: jax
"""pulse.py reads the arrays of jax, and jax's functions are close to the operators. Run by `make test-python`."""
import os
import sys

sys.path[:0] = [os.path.join("ref", "python"), os.path.join("tests", "python")]
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import pulse  # noqa: E402
from support import check, finish, raises, same_bits  # noqa: E402

X = jnp.asarray(np.random.default_rng(0).standard_normal((12, 20)), jnp.float32)
W = jnp.asarray(np.random.default_rng(1).standard_normal((8, 20)), jnp.float32)


def arrays():
    same_bits(pulse.op("softmax", X), pulse.op("softmax", np.asarray(X)))
    same_bits(pulse.op("linear", X, W.astype(jnp.bfloat16)), pulse.op("linear", X, W.astype(jnp.bfloat16).astype(jnp.float32)))
    same_bits(pulse.op("nll", X, labels=jnp.arange(12)), pulse.op("nll", X, labels=list(range(12))))
    raises("bad input", "bf16", lambda: pulse.op("softmax", X.astype(jnp.bfloat16)))
    raises("bad input", "int32", lambda: pulse.op("softmax", jnp.arange(3)))


def verdicts():
    pulse.assert_close(jax.nn.softmax(X), "softmax", X)
    pulse.assert_close(jax.nn.log_softmax(X), "log_softmax", X)
    pulse.assert_close(X.astype(jnp.bfloat16) @ W.astype(jnp.bfloat16).T, "linear", X, W, precision="bf16")
    try:
        pulse.assert_close(jax.nn.gelu(X, approximate=True), "gelu", X)
    except AssertionError:
        return
    raise AssertionError("gelu by tanh passed")


check("arrays of jax are read, also bfloat16 weights and integer labels; inputs of other types are refused", arrays)
check("jax's softmax, log_softmax and products are close; gelu by tanh is not", verdicts)
finish()
