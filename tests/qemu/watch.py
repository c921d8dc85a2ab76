"""Tells which marked frames of `attack.py` come by on which devices of this network namespace, until its input ends.

A line for each: the device, a space, and the frame's name.
"""

import re
import select
import socket
import sys

ALL = 3  # ETH_P_ALL
MARK = re.compile(rb"attack:([a-z0-9-]+);")

ears = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
ears.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
seen = set()
print("watching", flush=True)
while True:
    ready, _, _ = select.select([ears, sys.stdin], [], [])
    if ears in ready:
        frame, (device, *_) = ears.recvfrom(65535)
        seen.update((device, name.decode()) for name in MARK.findall(frame))
    elif not sys.stdin.readline():
        break
for device, name in sorted(seen):
    print(device, name)
