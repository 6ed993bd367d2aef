"""Philox4x32-10 (Salmon et al. 2011), as Sources/Tensor/Philox.swift draws from it, written from the paper.

Weights and inputs that both sides can make need not be stored.
"""

import numpy as np

U = np.uint64
LOW = U(0xFFFFFFFF)


class Philox:
    def __init__(self, key: int):
        self.key = key
        self.counter = 0

    def uniform(self, count: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """The next `count` numbers in [low, high) in fp32. Draws begin at a new block of four."""
        blocks = (count + 3) // 4
        counter = np.arange(self.counter, self.counter + blocks, dtype=U)
        self.counter += blocks
        w0, w1 = counter & LOW, counter >> U(32)
        w2, w3 = np.zeros_like(w0), np.zeros_like(w0)
        k0, k1 = self.key & 0xFFFFFFFF, self.key >> 32
        for _ in range(10):
            p0, p1 = w0 * U(0xD2511F53), w2 * U(0xCD9E8D57)
            w0, w1, w2, w3 = (p1 >> U(32)) ^ w1 ^ U(k0), p1 & LOW, (p0 >> U(32)) ^ w3 ^ U(k1), p0 & LOW
            k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
        words = np.stack([w0, w1, w2, w3], axis=1).reshape(-1)[:count]
        unit = (words >> U(8)).astype(np.float32) * np.float32(2.0**-24)
        low, high = np.float32(low), np.float32(high)
        return low + unit * (high - low)
