"""shop-cart: one thread, an event loop (aiohttp); parallel fan-out with asyncio.gather."""
import asyncio
import json
import os
import random

from aiohttp import ClientSession, TCPConnector, web

from clients import Truth, encode_command

PORTS = json.loads(os.environ["SHOP_PORTS"])


class RedisPool:
    """The asyncio twin of clients.RedisPool."""

    def __init__(self, port):
        self._port = port
        self._idle = []

    async def command(self, *arguments):
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(encode_command(*arguments))
        answer = await self._read(reader)
        self._idle.append((reader, writer))
        return answer

    async def _read(self, reader):
        line = await reader.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else (await reader.readexactly(size + 2))[:-2]
        if kind == b"*":
            return [await self._read(reader) for _ in range(int(rest))]
        if kind in (b"+", b":"):
            return rest
        raise ConnectionError(f"redis: {line!r}")

    async def mget(self, key, truth):
        return (await self.command("MGET", key, *([] if truth is None else ["weft-truth:" + truth])))[0]

    async def set(self, key, value, truth):
        await self.command("SET", key, value if truth is None else f"{value};weft-truth:{truth}")


def items_of(user):
    """What is in a user's cart: two to four items, always the same ones."""
    return [user * 7 % 100 + i for i in range(2 + user % 3)]


async def think(milliseconds):
    await asyncio.sleep(milliseconds / 1000 * random.lognormvariate(-0.18, 0.6))


def truth_of(request):
    return Truth(request.headers.get("X-Weft-Truth"))


async def describe(app, item, truth):
    headers = {} if truth is None else {"X-Weft-Truth": truth}
    async with app["http"].get(f"http://127.0.0.1:{PORTS['catalog']}/item/{item}", headers=headers) as answer:
        return await answer.json(content_type=None)


async def read(request):
    """Redis, then all items from the catalogue at once (none of them for ?brief)."""
    user, truth, app = int(request.match_info["user"]), truth_of(request), request.app
    await app["redis"].mget(f"cart:{user}", truth.next())
    items = items_of(user)
    if "brief" in request.query:
        return web.json_response({"items": items})
    await think(2.4)
    found = await asyncio.gather(*(describe(app, item, truth.next()) for item in items))
    await think(0.9)
    return web.json_response({"items": found})


async def write(request):
    """Redis twice, one after the other."""
    user, truth, redis = request.match_info["user"], truth_of(request), request.app["redis"]
    await request.read()
    await redis.mget(f"cart:{user}", truth.next())
    await think(3)
    await redis.set(f"cart:{user}", "7", truth.next())
    return web.json_response({"ok": True})


async def clear(request):
    truth = truth_of(request)
    await think(1.5)
    await request.app["redis"].set(f"cart:{request.match_info['user']}", "", truth.next())
    return web.json_response({"ok": True})


async def main():
    app = web.Application()
    app.add_routes([web.get("/cart/{user}", read), web.post("/cart/{user}", write),
                    web.delete("/cart/{user}", clear)])
    app["redis"] = RedisPool(PORTS["redis"])
    app["http"] = ClientSession(connector=TCPConnector(limit=64))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
