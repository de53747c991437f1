"""shop-front: one thread per connection (http.server), blocking calls one after the other."""
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from clients import HttpPool, Truth, think

PORTS = json.loads(os.environ["SHOP_PORTS"])
CART, CATALOG, INVENTORY, PAYMENTS = (
    HttpPool(PORTS[name]) for name in ("cart", "catalog", "inventory", "payments"))


def about(_, truth):
    return {"shop": "weft"}


def product(item, truth):
    """Sequential: two services, one after the other."""
    think(2.4)
    description = fetch(CATALOG, "GET", f"/item/{item}", truth)
    think(1.5)
    stock = fetch(INVENTORY, "GET", f"/stock/{item}", truth)
    return {"item": description, "stock": stock}


def cart(user, truth):
    think(1.5)
    return fetch(CART, "GET", f"/cart/{user}", truth)


def add_to_cart(user, truth):
    think(0.9)
    return fetch(CART, "POST", f"/cart/{user}", truth, b'{"item": 7}')


def checkout(user, truth):
    """Sequential and repeated: read the cart, reserve every item, pay."""
    think(2.4)
    items = fetch(CART, "GET", f"/cart/{user}?brief=1", truth)["items"]
    for item in items:
        fetch(INVENTORY, "POST", f"/reserve/{item}", truth, b"")
        think(0.6, 50)
    return fetch(PAYMENTS, "POST", f"/charge/{user}", truth, json.dumps({"items": items}).encode())


def fetch(pool, method, path, truth, body=None):
    status, data = pool.request(method, path, truth.next(), body)
    if status != 200:
        raise OSError(f"{method} {path}: {status}")
    return json.loads(data)


ROUTES = {("GET", "about"): about, ("GET", "product"): product, ("GET", "cart"): cart,
          ("POST", "cart"): add_to_cart, ("POST", "checkout"): checkout}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = self.path.split("?")[0].strip("/").split("/")  # api, resource, id
        route = ROUTES.get((self.command, parts[1] if len(parts) > 1 else ""))
        status, result = 404, {"error": "no such page"}
        if route:
            try:
                status = 200
                result = route(parts[-1], Truth(self.headers.get("X-Weft-Truth")))
            except OSError as error:
                status, result = 502, {"error": str(error)}
        data = json.dumps(result).encode()
        self.send_response(status)
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
