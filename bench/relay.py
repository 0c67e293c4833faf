"""A network link between two TUN devices, with a rate and a delay.

    python -m bench.relay DEVICE DEVICE BITS_A_SECOND DELAY_SECONDS

Prints a line when both devices are there, and forwards packets until its standard input ends. Packets are read and
written as the kernel's large segments (up to 64 KiB, checksums left out), so forwarding a gigabit needs a few thousand
system calls a second; a packet takes the time that its segments would take on the wire.
"""

from __future__ import annotations

import fcntl
import os
import queue
import struct
import sys
import threading
import time
from contextlib import suppress

_TUNSETIFF, _TUNSETOFFLOAD, _TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
_OFFLOADS = 0x01 | 0x02  # checksums, TCP over IPv4
_VNET_HEADER = 10
_SEGMENT = 1448
_HEADERS = 90  # of each segment on the wire: Ethernet with its gap, IP, TCP with a time stamp
_MAX_PACKET = 65536 + _VNET_HEADER


def _open(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR)
    flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(device, _TUNSETVNETHDRSZ, struct.pack("i", _VNET_HEADER))
    fcntl.ioctl(device, _TUNSETOFFLOAD, _OFFLOADS)
    return device


def _forward(source: int, target: int, rate: float, delay: float) -> None:
    on_the_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def deliver() -> None:
        while True:
            due, packet = on_the_way.get()
            if (wait := due - time.monotonic()) > 0:
                time.sleep(wait)
            with suppress(OSError):  # the other device is not up yet, or gone: the packet is lost, as on any network
                os.write(target, packet)

    threading.Thread(target=deliver, daemon=True).start()
    free = 0.0
    while True:
        packet = os.read(source, _MAX_PACKET)
        size = len(packet) - _VNET_HEADER
        free = max(free, time.monotonic()) + (size + _HEADERS * (size // _SEGMENT + 1)) * 8 / rate
        on_the_way.put((free + delay, packet))


def main() -> None:
    """Forward in both directions."""
    os.nice(-10)  # a network does not wait for the processors of its ends
    first, second = (_open(name) for name in sys.argv[1:3])
    rate, delay = map(float, sys.argv[3:5])
    for source, target in ((first, second), (second, first)):
        threading.Thread(target=_forward, args=(source, target, rate, delay), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
