"""A double of a hosting provider's proxy: ends TLS, wants a key, puts a path before each backend, answers in chunks."""

import argparse
import asyncio
import json
import ssl
from urllib.parse import urlsplit


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, str], bytes]:
    """Return a message's first line, its headers by lower-case name, and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
    return head[0].encode("latin-1"), headers, await reader.readexactly(int(headers.get("content-length", "0")))


class Proxy:
    """Forwards `/NAME/...` to the backend of that name."""

    def __init__(self, targets: dict[str, str], key: str) -> None:
        self._targets = targets
        self._key = key

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client closes it."""
        upstreams: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        try:
            while True:
                line, headers, body = await _read(reader)
                method, path, version = line.decode().split(" ")
                _, name, rest = path.split("/", 2)
                if headers.get("authorization") != f"Bearer {self._key}":
                    writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}")
                    await writer.drain()
                    continue
                if name not in upstreams:
                    address = urlsplit(self._targets[name])
                    upstreams[name] = await asyncio.open_connection(address.hostname, address.port)
                answers, asks = upstreams[name]
                kept = "".join(f"{key}: {value}\r\n" for key, value in headers.items() if key != "authorization")
                asks.write(f"{method} /{rest} {version}\r\n{kept}\r\n".encode() + body)
                status, told, data = await _read(answers)
                told.pop("content-length", None)
                lines = "".join(f"{key}: {value}\r\n" for key, value in told.items())
                middle = len(data) // 2
                chunks = [
                    f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (data[:middle], data[middle:]) if part
                ]
                head = status + f"\r\n{lines}Transfer-Encoding: chunked\r\n\r\n".encode("latin-1")
                writer.write(head + b"".join(chunks) + b"0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for _, upstream in upstreams.values():
                upstream.close()
            writer.close()


async def main(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.key_file)
    proxy = Proxy(dict(each.split("=", 1) for each in arguments.target), arguments.api_key)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=context)
    print(json.dumps({"url": f"https://localhost:{server.sockets[0].getsockname()[1]}"}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key-file", required=True)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--target", action="append", default=[], metavar="NAME=URL")
    asyncio.run(main(parser.parse_args()))
