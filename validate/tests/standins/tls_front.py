#!/usr/bin/env python3
"""A TLS terminator, as one stands in front of servers: passes on to a port of this machine what comes sealed.

    tls_front.py CERTIFICATE LOG PORT...

Prints the port that it listens on for each, one a line. What it unseals goes to LOG, so that a test sees what was sent.
It ends with its standard input.
"""

import asyncio
import os
import ssl
import sys


async def pump(source, sink, log):
    while data := await source.read(65536):
        if log:
            log.write(data)
            log.flush()
        sink.write(data)
        await sink.drain()
    sink.close()


async def main(certificate, path, ports):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    log = open(path, "ab")

    def to(port):
        async def connected(reader, writer):
            try:
                behind, ahead = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(pump(reader, ahead, log), pump(behind, writer, None))
            except OSError:
                writer.close()

        return connected

    for port in ports:
        server = await asyncio.start_server(to(port), "127.0.0.1", 0, ssl=context)
        print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main(sys.argv[1], sys.argv[2], [int(port) for port in sys.argv[3:]]))
