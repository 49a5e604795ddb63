#!/usr/bin/env python3
"""A gateway of HTTP, as one stands in front of servers: answers in chunks, as those do that change bodies on their way.

    chunked_front.py PORT

Prints the port that it listens on. What comes there goes to PORT of this machine; the answer comes back without its
length, in chunks of many sizes. Early hints come before some answers, a trailer after some. It ends with its standard
input.
"""

import asyncio
import os
import sys

SIZES = [1, 7, 900, 40_000, 3, 65_536, 100_000_000]


async def message(reader):
    """The lines of a head, and its body by Content-Length; none at the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    length = 0
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        # Triton's own slip: a length without its name.
        if name.strip().lower() in (b"content-length", b""):
            length = int(value)
    return lines, await reader.readexactly(length)


def chunked(lines, body, count):
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in (b"content-length", b"")]
    head = b"\r\n".join([*kept, b"Transfer-Encoding: chunked", b"Via: 1.1 gateway"]) + b"\r\n\r\n"
    parts = [b"HTTP/1.1 103 Early Hints\r\nLink: </v2>\r\n\r\n"] if count % 5 == 0 else []
    parts.append(head)
    at = turn = 0
    while at < len(body):
        piece = body[at : at + SIZES[(count + turn) % len(SIZES)]]
        turn += 1
        extension = b";x=y" if count % 3 == 0 else b""
        parts.append(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece))
        at += len(piece)
    parts.append(b"0\r\nX-Checksum: none\r\n\r\n" if count % 2 else b"0\r\n\r\n")
    return parts


async def main(port):
    async def connected(reader, writer):
        count = 0
        try:
            behind, ahead = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
            while True:
                lines, body = await message(reader)
                ahead.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
                lines, body = await message(behind)
                for part in chunked(lines, body, count):
                    writer.write(part)
                    await writer.drain()
                count += 1
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main(int(sys.argv[1])))
