"""The listening socket and its port file."""

import ctypes
import os
import socket
import struct

BACKLOG = 1024

# asm-generic/socket.h; Python 3.7 does not know it.
_SO_ATTACH_FILTER = 26

# Classic BPF (linux/filter.h) on the TCP header: 0 drops a segment whose flags, byte 13, have SYN.
_DROP_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in [
        (0x30, 0, 0, 13),  # A = byte 13
        (0x45, 0, 1, 0x02),  # unless A & SYN, skip one
        (0x06, 0, 0, 0),  # return 0 bytes: drop
        (0x06, 0, 0, 0xFFFFFFFF),  # return all of it: take
    ]
)


class ListenError(Exception):
    """The server cannot listen, or not say where; the text is one line."""


def bind(address: str, port: int) -> socket.socket:
    """Takes the address without listening on it yet; port 0 takes any free one.

    Raises:
      ListenError: the port is taken, or the address is not of this machine.
    """
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, sockaddr = found[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError("cannot listen on %s:%d: %s" % (address, port, error)) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(sockaddr)
    except OSError as error:
        sock.close()
        raise ListenError("cannot listen on %s:%d: %s" % (address, port, error)) from error
    return sock


def listen(sock: socket.socket) -> int:
    """Accepts connections from now on, before the server runs; returns the port.

    Raises:
      ListenError: someone else began to listen since bind().
    """
    address, port = sock.getsockname()[:2]
    try:
        sock.listen(BACKLOG)
    except OSError as error:
        raise ListenError("cannot listen on %s:%d: %s" % (address, port, error)) from error
    return port


def turn_away(sock: socket.socket) -> None:
    """Lets no new client begin to connect to a listening socket, while those that did get through.

    Closing it at once would reset connections that the kernel has made and nobody has accepted,
    with the requests that they brought. A client that comes later tries again after a second (TCP's
    first retransmission) and is refused once the socket is closed. Where the system has no such
    filter nothing happens.
    """
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    # struct sock_fprog: number of instructions, and where they are.
    fprog = struct.pack("HP", len(_DROP_SYN) // 8, ctypes.addressof(program))
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
    except OSError:
        pass


def write_port_file(path: str, port: int) -> None:
    """Publishes the port as one line of text; readers see the whole file or none.

    Raises:
      ListenError: the file cannot be written.
    """
    temporary = "%s.%d.tmp" % (path, os.getpid())
    try:
        with open(temporary, "w") as stream:
            stream.write("%d\n" % port)
        os.replace(temporary, path)
    except OSError as error:
        raise ListenError("port_file: cannot write %s: %s" % (path, error)) from error
