// catalog: one thread, callbacks (Node.js http with a keep-alive agent); fan-out with Promise.all.
'use strict';
const http = require('http');
const net = require('net');

const ports = JSON.parse(process.env.SHOP_PORTS);
const agent = new http.Agent({keepAlive: true, maxSockets: 64});

// A pool of Redis connections, one command in flight on each. Answers are single bulk strings or
// arrays of them.
class RedisPool {
  constructor(port) { this.port = port; this.idle = []; }

  command(...args) {
    const socket = this.idle.pop() || this.connect();
    return new Promise((resolve, reject) => {
      socket.waiting = {resolve, reject};
      socket.write(`*${args.length}\r\n` +
                   args.map((a) => `$${Buffer.byteLength(a)}\r\n${a}\r\n`).join(''));
    });
  }

  connect() {
    const socket = net.connect(this.port, '127.0.0.1');
    socket.setNoDelay(true);
    let text = '';
    socket.on('data', (data) => {
      text += data;
      const answer = parse(text, 0);
      if (!answer) return;
      text = text.slice(answer.end);
      const waiting = socket.waiting;
      this.idle.push(socket);
      waiting.resolve(answer.value);
    });
    socket.on('error', (error) => socket.waiting && socket.waiting.reject(error));
    return socket;
  }

  mget(key, truth) { return this.command('MGET', key, ...(truth ? [`weft-truth:${truth}`] : [])); }
}

// {value, end} of the answer at `at`, or null while it is not whole.
function parse(text, at) {
  const eol = text.indexOf('\r\n', at);
  if (eol < 0) return null;
  const head = text.slice(at + 1, eol);
  if (text[at] === '$') {
    const size = Number(head);
    if (size < 0) return {value: null, end: eol + 2};
    if (text.length < eol + 2 + size + 2) return null;
    return {value: text.substr(eol + 2, size), end: eol + 2 + size + 2};
  }
  if (text[at] !== '*') return {value: head, end: eol + 2};
  const value = [];
  let end = eol + 2;
  for (let i = 0; i < Number(head); i++) {
    const item = parse(text, end);
    if (!item) return null;
    value.push(item.value);
    end = item.end;
  }
  return {value, end};
}

const redis = new RedisPool(ports.redis);

// Numbers the calls of one request; without a header it gives none.
function truthOf(request) {
  const value = request.headers['x-weft-truth'];
  let n = 0;
  return () => (value ? `${value}.${++n}` : undefined);
}

function think(milliseconds) {
  const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  return new Promise((done) => setTimeout(done, milliseconds * Math.exp(0.6 * normal - 0.18)));
}

function getJson(port, path, truth) {
  return new Promise((resolve, reject) => {
    const headers = truth ? {'X-Weft-Truth': truth} : {};
    http.get({host: '127.0.0.1', port, path, agent, headers}, (answer) => {
      let body = '';
      answer.on('data', (data) => { body += data; });
      answer.on('end', () => (answer.statusCode === 200 ?
        resolve(JSON.parse(body)) : reject(new Error(`${path}: ${answer.statusCode}`))));
    }).on('error', reject);
  });
}

// Redis once.
async function item(id, truth) {
  await think(3);
  const [name] = await redis.mget(`item:${id}`, truth());
  return {id: Number(id), name: name || 'thing', price: 100 + Number(id)};
}

// Redis, then the stock of three items at once.
async function search(query, truth) {
  await redis.mget(`query:${query}`, truth());
  await think(2.4);
  const ids = [1, 2, 3].map((i) => (query.length * 13 + i) % 100);
  const stock = await Promise.all(ids.map((id) => getJson(ports.inventory, `/stock/${id}`, truth())));
  return {query, stock};
}

const server = http.createServer(async (request, response) => {
  const url = new URL(request.url, 'http://shop');
  const truth = truthOf(request);
  let status = 200;
  let result;
  try {
    if (url.pathname.startsWith('/item/')) result = await item(url.pathname.slice(6), truth);
    else if (url.pathname === '/search') result = await search(url.searchParams.get('q') || '', truth);
    else [status, result] = [404, {error: 'no such page'}];
  } catch (error) {
    [status, result] = [502, {error: String(error)}];
  }
  const body = JSON.stringify(result);
  response.writeHead(status, {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body)});
  response.end(body);
});
server.keepAliveTimeout = 0;  // idle connections of the callers' pools stay
server.listen(0, '127.0.0.1', 256, () => console.log(server.address().port));
