"""The largest value, 512 MiB, through redis-py and back: check_largest_value.py PORT. Any wrong answer fails the process."""
import hashlib
import random
import sys

import redis

LARGEST = 512 << 20

r = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]), db=6)
value = random.Random(1).randbytes(1 << 20) * (LARGEST >> 20)
wanted = hashlib.sha256(value).digest()
assert r.set("largest", value)
del value
assert r.strlen("largest") == LARGEST
assert hashlib.sha256(r.get("largest")).digest() == wanted
try:
    r.append("largest", "x")
    raise AssertionError("a value of 512 MiB must not grow")
except redis.ResponseError as e:
    assert "string exceeds maximum allowed size" in str(e), e
assert r.getrange("largest", -3, -1) == r.getrange("largest", (1 << 20) - 3, (1 << 20) - 1)
assert r.delete("largest") == 1
