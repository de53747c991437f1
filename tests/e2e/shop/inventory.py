"""The inventory service for machines without Go: the same interface, a thread per connection."""
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from clients import RedisPool, Truth, think

SLOW_MS = float(os.environ.get("SHOP_SLOW_MS", "0"))  # more than usual, for each request
REDIS = RedisPool(json.loads(os.environ["SHOP_PORTS"])["redis"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        truth = Truth(self.headers.get("X-Weft-Truth"))
        _, action, item = self.path.split("/")
        if action == "stock":
            think(1.8 + SLOW_MS, 50)
            REDIS.mget(f"stock:{item}", truth.next())
        else:
            REDIS.mget(f"stock:{item}", truth.next())
            think(1.2 + SLOW_MS, 50)
            REDIS.set(f"stock:{item}", "4", truth.next())
        data = json.dumps({"id": item, "stock": 5}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    sys.stdout.close()
    server.serve_forever()
