"""XXH3, 64 bits, with a seed: written from the algorithm's specification, for many inputs of one length
at once.

    checksum(b"...", seed)               one input
    checksums(matrix, seeds)             each row of a matrix of bytes, as an array

All arithmetic is modulo 2^64 on arrays of numpy's uint64, whose products and sums wrap around.
"""

import numpy as np

# The algorithm's own constant: 192 bytes.
SECRET = np.frombuffer(bytes.fromhex("""
    b8fe6c3923a44bbe 7c01812cf721ad1c ded46de9839097db 7240a4a4b7b3671f cb79e64eccc0e578 825ad07dccff7221
    b8084674f743248e e03590e6813a264c 3c2852bb91c300cb 88d0658b1b532ea3 71644897a20df94e 3819ef46a9deacd8
    a8fa763fe39c343f f9dcbbc7c70b4f1d 8a51e04bcdb45931 c89f7ec9d9787364 eac5ac8334d3ebc3 c581a0fffa1363eb
    170ddd51b7f0da49 d316552629d4689e 2b16be587d47a1fc 8ff8b8d17ad031ce 45cb3a8f95160428 afd7fbcabb4b407e
"""), np.uint8)

P32_1, P32_2, P32_3 = (np.uint64(n) for n in (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D))
P64_1, P64_2, P64_3, P64_4, P64_5 = (np.uint64(n) for n in (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5))
LOW = np.uint64(0xFFFFFFFF)
STRIPE, STRIPES_PER_BLOCK = 64, 16
BLOCK = STRIPE * STRIPES_PER_BLOCK


def u64(number):
    return np.uint64(number & 0xFFFFFFFFFFFFFFFF)


def words(matrix, offset, count=1):
    """`count` little-endian words of 8 bytes of each row."""
    part = np.ascontiguousarray(matrix[:, offset:offset + 8 * count])
    return part.view("<u8").astype(np.uint64)


def word(matrix, offset):
    return words(matrix, offset)[:, 0]


def half_word(matrix, offset):
    return np.ascontiguousarray(matrix[:, offset:offset + 4]).view("<u4")[:, 0].astype(np.uint64)


def secret_word(offset):
    return u64(int.from_bytes(SECRET[offset:offset + 8].tobytes(), "little"))


def rotate(value, bits):
    return (value << u64(bits)) | (value >> u64(64 - bits))


def swap_bytes(value):
    return value.astype("<u8").view(np.uint8).reshape(-1, 8)[:, ::-1].copy().view("<u8")[:, 0]


def fold(a, b):
    """The two halves of the product of 128 bits, one over the other."""
    a_low, a_high, b_low, b_high = a & LOW, a >> u64(32), b & LOW, b >> u64(32)
    low_low, low_high, high_low = a_low * b_low, a_low * b_high, a_high * b_low
    middle = (low_low >> u64(32)) + (low_high & LOW) + (high_low & LOW)
    high = a_high * b_high + (low_high >> u64(32)) + (high_low >> u64(32)) + (middle >> u64(32))
    return (a * b) ^ high


def avalanche_xxh64(h):
    h = (h ^ (h >> u64(33))) * P64_2
    h = (h ^ (h >> u64(29))) * P64_3
    return h ^ (h >> u64(32))


def avalanche(h):
    h = (h ^ (h >> u64(37))) * u64(0x165667919E3779F9)
    return h ^ (h >> u64(32))


def up_to_16(rows, seeds):
    length = rows.shape[1]
    if length == 0:
        return avalanche_xxh64(seeds ^ (secret_word(56) ^ secret_word(64)))
    if length <= 3:
        first, middle, last = (rows[:, i].astype(np.uint64) for i in (0, length >> 1, length - 1))
        mixed = (first << u64(16)) | (middle << u64(24)) | last | u64(length << 8)
        secret = secret_word(0)
        return avalanche_xxh64(mixed ^ (((secret & LOW) ^ (secret >> u64(32))) + seeds))
    if length <= 8:
        swapped = swap_bytes((seeds & LOW) << u64(32))  # the low half of the seed, its bytes reversed
        seeds = seeds ^ (swapped << u64(32))
        h = half_word(rows, length - 4) + (half_word(rows, 0) << u64(32))
        h = h ^ ((secret_word(8) ^ secret_word(16)) - seeds)
        h = h ^ rotate(h, 49) ^ rotate(h, 24)
        h = h * u64(0x9FB21C651E98DF25)
        h = (h ^ ((h >> u64(35)) + u64(length))) * u64(0x9FB21C651E98DF25)
        return h ^ (h >> u64(28))
    low = word(rows, 0) ^ ((secret_word(24) ^ secret_word(32)) + seeds)
    high = word(rows, length - 8) ^ ((secret_word(40) ^ secret_word(48)) - seeds)
    return avalanche(u64(length) + swap_bytes(low) + high + fold(low, high))


def mix_16(rows, offset, secret_at, seeds):
    return fold(word(rows, offset) ^ (secret_word(secret_at) + seeds),
                word(rows, offset + 8) ^ (secret_word(secret_at + 8) - seeds))


def up_to_128(rows, seeds):
    length = rows.shape[1]
    h = np.full(len(rows), u64(length) * P64_1)
    for i in range((length - 1) // 32 + 1):
        h = h + mix_16(rows, 16 * i, 32 * i, seeds)
        h = h + mix_16(rows, length - 16 * (i + 1), 32 * i + 16, seeds)
    return avalanche(h)


def up_to_240(rows, seeds):
    length = rows.shape[1]
    h = np.full(len(rows), u64(length) * P64_1)
    for i in range(8):
        h = h + mix_16(rows, 16 * i, 16 * i, seeds)
    h = avalanche(h)
    for i in range(8, length // 16):
        h = h + mix_16(rows, 16 * i, 16 * (i - 8) + 3, seeds)
    return avalanche(h + mix_16(rows, length - 16, 136 - 17, seeds))


def accumulate(stripes, secret):
    """What stripes add to the eight lanes: stripes and their secrets are [..., stripes, 8]."""
    key = stripes ^ secret
    swapped = stripes.reshape(*stripes.shape[:-1], 4, 2)[..., ::-1].reshape(stripes.shape)
    return (swapped + (key & LOW) * (key >> u64(32))).sum(axis=-2, dtype=np.uint64)


def long(rows, seeds):
    count, length = rows.shape
    # The secret of a seed: the seed is added to the first of two words, and taken from the second.
    secret = np.tile(SECRET.view("<u8").astype(np.uint64), (count, 1))
    secret[:, 0::2] += seeds[:, None]
    secret[:, 1::2] -= seeds[:, None]
    secret_bytes = secret.astype("<u8").view(np.uint8).reshape(count, 192)
    # The secret of stripe n begins at its byte 8 n.
    of_stripes = np.stack([secret[:, n:n + 8] for n in range(STRIPES_PER_BLOCK)], axis=1)

    lanes = np.tile(np.array([P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]), (count, 1))
    blocks = (length - 1) // BLOCK
    if blocks:
        stripes = words(rows, 0, blocks * BLOCK // 8).reshape(count, blocks, STRIPES_PER_BLOCK, 8)
        added = accumulate(stripes, of_stripes[:, None])
        for block in range(blocks):
            lanes = lanes + added[:, block]
            lanes = (lanes ^ (lanes >> u64(47)) ^ secret[:, 16:24]) * P32_1
    left = (length - 1 - blocks * BLOCK) // STRIPE
    if left:
        stripes = words(rows, blocks * BLOCK, left * 8).reshape(count, left, 8)
        lanes = lanes + accumulate(stripes, of_stripes[:, :left])
    last = words(rows, length - STRIPE, 8).reshape(count, 1, 8)
    lanes = lanes + accumulate(last, words(secret_bytes, 192 - 64 - 7, 8).reshape(count, 1, 8))

    secret = words(secret_bytes, 11, 8)
    h = np.full(count, u64(length) * P64_1)
    for i in range(0, 8, 2):
        h = h + fold(lanes[:, i] ^ secret[:, i], lanes[:, i + 1] ^ secret[:, i + 1])
    return avalanche(h)


def checksums(matrix, seeds=0):
    """XXH3 of each row of a matrix of uint8, with one seed for all or one for each."""
    rows = np.asarray(matrix, dtype=np.uint8)
    with np.errstate(over="ignore"):
        seeds = np.broadcast_to(np.asarray(seeds, dtype=np.uint64), len(rows)).copy()
        length = rows.shape[1]
        if length <= 16:
            return up_to_16(rows, seeds)
        if length <= 128:
            return up_to_128(rows, seeds)
        if length <= 240:
            return up_to_240(rows, seeds)
        return long(rows, seeds)


def checksum(data, seed=0):
    """XXH3 of some bytes."""
    row = np.frombuffer(bytes(data), np.uint8).reshape(1, -1)
    return int(checksums(row, np.uint64(seed & 0xFFFFFFFFFFFFFFFF))[0])
