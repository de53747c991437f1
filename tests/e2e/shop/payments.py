"""payments: a staged pool, where the thread that reads a request never works on it.

Every thread serves all three stages (read a request, do the job, write the answer) from a queue of
its own, and hands each job on to the next thread's queue. While a thread calls out for one request,
the last requests that it has read belong to others: what threads say about parents is wrong here.
"""
import json
import os
import queue
import random
import select
import socket
import sys
import threading

from clients import HttpPool, RedisPool, Truth, think

PORTS = json.loads(os.environ["SHOP_PORTS"])
FAILING = float(os.environ.get("SHOP_FAILING", "0")) / 100  # this share of charges
THREADS = 8


class Pool:
    def __init__(self, listener):
        self._queues = [queue.SimpleQueue() for _ in range(THREADS)]
        self._epoll = select.epoll()
        self._connections = {}
        self._cart = HttpPool(PORTS["cart"])
        self._redis = RedisPool(PORTS["redis"])
        self._listener = listener

    def run(self):
        for index in range(THREADS):
            threading.Thread(target=self._serve, args=(index,), daemon=True).start()
        self._epoll.register(self._listener, select.EPOLLIN)
        turn = 0
        while True:
            for fd, _ in self._epoll.poll():
                if fd == self._listener.fileno():
                    connection, _ = self._listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._connections[connection.fileno()] = connection
                    self._epoll.register(connection, select.EPOLLIN | select.EPOLLONESHOT)
                else:
                    turn = (turn + 1) % THREADS
                    self._queues[turn].put((self._read, self._connections[fd], None))

    def _serve(self, index):
        hand_on = self._queues[(index + 1) % THREADS]
        while True:
            stage, connection, job = self._queues[index].get()
            following = stage(connection, job)
            if following:
                hand_on.put(following)

    def _read(self, connection, _):
        request = read_request(connection)
        if request is None:
            self._epoll.unregister(connection)
            del self._connections[connection.fileno()]
            connection.close()
            return None
        return (self._work, connection, request)

    def _work(self, connection, request):
        path, headers = request
        user, truth = path.rsplit("/", 1)[-1], Truth(headers.get("x-weft-truth"))
        think(4.5)
        self._redis.mget(f"card:{user}", truth.next())
        think(12)
        status, _ = self._cart.request("DELETE", f"/cart/{user}", truth.next())
        think(1.5)
        self._redis.set(f"charge:{user}", "paid", truth.next())
        paid = status == 200 and random.random() >= FAILING
        return (self._reply, connection, b'{"paid": true}' if paid else None)

    def _reply(self, connection, body):
        line = b"HTTP/1.1 200 OK" if body else b"HTTP/1.1 500 Internal Server Error"
        body = body or b"{}"
        connection.sendall(b"%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" %
                           (line, len(body), body))
        self._epoll.modify(connection, select.EPOLLIN | select.EPOLLONESHOT)


def read_request(connection):
    """One whole request as (path, headers); None when the peer has closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(4096)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:])}
    missing = int(headers.get("content-length", 0)) - len(body)
    while missing > 0:
        missing -= len(connection.recv(missing))
    return lines[0].split(" ")[1], headers


if __name__ == "__main__":
    server = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(server.getsockname()[1], flush=True)
    sys.stdout.close()
    Pool(server).run()
