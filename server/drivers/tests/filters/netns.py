"""What a guest does on its port, asked for by lines on standard input; runs inside its namespace.

send HEX          sends a frame as it is
sniff             from now on, keeps what arrives
until MARK        waits until a frame with these bytes has arrived, then says all marks seen: cafe and two bytes
listen PORT       echoes on every connection to the port
connect ADDRESS PORT [SOURCE]   opens a connection and keeps it: `yes` or `no`
echo              sends a byte on the kept connection and waits for it: `yes` or `no`
ping ADDRESS [SOURCE]           `yes` or `no`
"""

import re
import socket
import sys
import threading
import time

DEVICE = "eth0"
PATIENCE = 1.5

out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((DEVICE, 0))
sniffer = None
kept = None


def serve(server):
    def one(connection):
        while data := connection.recv(4096):
            connection.sendall(data)

    while True:
        threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()


def connect(address, port, source=None):
    global kept
    kept = socket.socket()
    kept.settimeout(PATIENCE)
    if source:
        kept.bind((source, 0))
    try:
        kept.connect((address, int(port)))
        return "yes"
    except OSError:
        return "no"


def echo():
    try:
        kept.sendall(b"x")
        return "yes" if kept.recv(1) else "no"
    except OSError:
        return "no"


def ping(address, source=""):
    own = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    own.bind((source, 0))
    own.sendto(b"\x08\x00\xea\xf8\x12\x34\x00\x01" + b"\xfa\xd1", (address, 0))
    deadline = time.monotonic() + PATIENCE
    while (left := deadline - time.monotonic()) > 0:
        own.settimeout(left)
        try:
            packet, (sender, _) = own.recvfrom(4096)
        except TimeoutError:
            break
        if sender == address and packet[20] == 0 and packet[24:28] == b"\x12\x34\x00\x01":
            return "yes"
    return "no"


def until(mark):
    mark, seen = bytes.fromhex(mark), []
    while True:
        frame = sniffer.recv(4096)
        seen += re.findall(b"\xca\xfe..", frame, re.S)
        if mark in frame:
            return " ".join(found.hex() for found in seen)


for line in sys.stdin:
    verb, *rest = line.split()
    if verb == "send":
        out.send(bytes.fromhex(rest[0]))
        answer = "sent"
    elif verb == "sniff":
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        sniffer.bind((DEVICE, 3))
        sniffer.settimeout(10)
        answer = "sniffing"
    elif verb == "until":
        answer = until(rest[0])
    elif verb == "listen":
        listener = socket.create_server(("", int(rest[0])))
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        answer = "listening"
    elif verb == "connect":
        answer = connect(*rest)
    elif verb == "echo":
        answer = echo()
    elif verb == "ping":
        answer = ping(*rest)
    else:
        sys.exit(f"unknown: {verb}")
    print(answer, flush=True)
