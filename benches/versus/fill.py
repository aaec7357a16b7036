"""Numbers that every engine makes for itself, bit for bit alike: a hash of (stream, place), in [-1, 1)."""

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def fill(stream, shape):
    """f32 of that shape; `peers/src/lib.rs` has the same function in Rust (SplitMix64's finaliser)."""
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64)
        z += np.uint64(stream << 40)
        z *= GOLDEN
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    values = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)
    return values.reshape(shape)
