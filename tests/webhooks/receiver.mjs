// A receiver for the tests. It verifies what it gets with the reference library of Standard Webhooks and answers as it
// is told. Prints one line `listening on http(s)://127.0.0.1:PORT`.
//
//   PUT  /_plan/NAME    [{"status":503,"headers":{},"body":{},"delay_ms":0}, ...]   answers of POST /NAME, the last stays
//   PUT  /_secret/NAME  the secret that signs what comes to /NAME
//   GET  /_calls/NAME   what came: [{id, verified, body, headers}]
//   GET  /_connections  how many were ever opened
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Webhook } from 'standardwebhooks';

const plans = new Map(), secrets = new Map(), calls = new Map();
let connections = 0;

function verified(name, headers, text) {
  try {
    new Webhook(secrets.get(name)).verify(text, headers);
    return true;
  } catch {
    return false;
  }
}

function received(name, headers, text) {
  const list = calls.get(name) ?? [];
  list.push({ id: headers['webhook-id'] ?? '', verified: verified(name, headers, text), body: JSON.parse(text), headers });
  calls.set(name, list);
  const plan = plans.get(name) ?? [];
  return (plan.length > 1 ? plan.shift() : plan[0]) ?? { status: 200 };
}

async function handle(request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const text = Buffer.concat(pieces).toString();
  const [, kind, name] = request.url.match(/^\/(?:(_[a-z]+)(?:\/|$))?(.*)$/);
  const say = (status, value, headers = {}) => {
    const body = Buffer.from(value === undefined ? '' : JSON.stringify(value));
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length, ...headers });
    response.end(body);
  };
  if (kind === '_plan') { plans.set(name, JSON.parse(text)); return say(200, {}); }
  if (kind === '_secret') { secrets.set(name, text); return say(200, {}); }
  if (kind === '_calls') return say(200, calls.get(name) ?? []);
  if (kind === '_connections') return say(200, { connections });
  const answer = received(name, request.headers, text);
  setTimeout(() => say(answer.status, answer.body, answer.headers), answer.delay_ms ?? 0);
}

const [key, certificate] = process.argv.slice(2);
const server = key === undefined ? createServer(handle)
  : createTlsServer({ key: readFileSync(key), cert: readFileSync(certificate) }, handle);
server.on(key === undefined ? 'connection' : 'secureConnection', () => ++connections);
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http${key === undefined ? '' : 's'}://127.0.0.1:${server.address().port}`);
});
