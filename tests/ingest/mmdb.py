"""A small writer of MaxMind's file format, as its specification describes it."""

from ipaddress import IPv6Network, ip_network
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"


def mmdb(networks: dict[str, Any], *, version: int = 6, description: dict[str, str] | None = None) -> bytes:
    """A file that has a record for each network; none lies within another. Addresses of IPv4 are at ::/96."""
    nodes: list[list[int | None]] = [[None, None]]
    data = b""
    records: list[tuple[list[int | None], int, int]] = []
    for text, record in networks.items():
        network = ip_network(text)
        wide = version == 6 and not isinstance(network, IPv6Network)
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"
        path = "0" * (96 if wide else 0) + bits[: network.prefixlen]
        node = nodes[0]
        for bit in path[:-1]:
            step = node[int(bit)]
            if step is None:
                step = node[int(bit)] = len(nodes)
                nodes.append([None, None])
            node = nodes[step]
        records.append((node, int(path[-1]), len(data)))
        data += encoded(record)
    count = len(nodes)
    for node, side, offset in records:
        node[side] = count + 16 + offset
    tree = b"".join((count if step is None else step).to_bytes(3, "big") for node in nodes for step in node)
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_764_000_000,
        "database_type": "test",
        "description": description or {},
        "ip_version": version,
        "languages": [],
        "node_count": count,
        "record_size": 24,
    }
    return tree + bytes(16) + data + MARKER + encoded(metadata)


def encoded(value: Any) -> bytes:
    """Texts, numbers, lists and maps of up to 28 entries."""
    if isinstance(value, str):
        text = value.encode()
        return control(2, len(text)) + text
    if isinstance(value, dict):
        return control(7, len(value)) + b"".join(encoded(key) + encoded(entry) for key, entry in value.items())
    if isinstance(value, list):
        return bytes([len(value), 11 - 7]) + b"".join(encoded(entry) for entry in value)
    return control(6, 4) + int(value).to_bytes(4, "big")


def control(kind: int, size: int) -> bytes:
    """The byte or bytes that say what follows."""
    if size < 29:
        return bytes([kind << 5 | size])
    if size < 285:
        return bytes([kind << 5 | 29, size - 29])
    return bytes([kind << 5 | 30]) + (size - 285).to_bytes(2, "big")
