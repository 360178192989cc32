// The ordinary JavaScript client against a running gateway (LIVE_URL), which /test/… steers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";

const url = process.env.LIVE_URL;
const EVENTS = ["ready", "reload", "position", "server:shutdown", "order:created", "order:status_changed",
  "order:cancelled", "order:completed", "order:updated", "stock:changed"];

async function control(path) {
  const answer = await fetch(`${url}/test/${path}`, { method: "POST" });
  assert.equal(answer.status, 200);
}

/** A client whose messages are taken one by one, in the order they came in. */
function connect(options = {}) {
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  const came = [];
  const waiting = [];
  const client = { socket, seq: undefined };
  const deliver = (entry) => (waiting.length ? waiting.shift()(entry) : came.push(entry));
  for (const event of EVENTS) socket.on(event, (...args) => deliver({ event, args }));
  socket.on("connect_error", (error) => deliver({ event: "connect_error", args: [error] }));
  socket.on("disconnect", (reason) => deliver({ event: "disconnect", args: [reason] }));
  client.next = () => (came.length ? Promise.resolve(came.shift()) : new Promise((r) => waiting.push(r)));
  client.expect = async (event) => {
    const entry = await client.next();
    assert.equal(entry.event, event, JSON.stringify(entry));
    if (entry.args[0]?.seq) client.seq = entry.args[0].seq;
    return entry.args[0];
  };
  client.close = () => socket.disconnect();
  return client;
}

test("by default it polls first and upgrades to WebSocket", async () => {
  const client = connect();
  const upgraded = new Promise((resolve) =>
    socket_opened(client.socket, () => client.socket.io.engine.once("upgrade", (t) => resolve(t.name))));
  const ready = await client.expect("ready");
  assert.equal(ready.resumed, false);
  assert.equal(await upgraded, "websocket");
  await control("orders?order=1&count=2");
  const created = await client.expect("order:created");
  assert.deepEqual(Object.keys(created).sort(), ["event", "message", "order", "seq", "timestamp"]);
  assert.equal(created.event, "order:created");
  assert.equal(created.order.n, 1);
  assert.equal((await client.expect("order:updated")).order.n, 2);
  await control("stock");
  const { product } = await client.expect("stock:changed");
  assert.deepEqual([product.stock, product.reserved, product.onHand, product.inStock], [48, 2, 50, true]);
  client.close();
});

function socket_opened(socket, then) {
  if (socket.io.engine?.id) then();
  else socket.io.once("open", then);
}

for (const transport of ["polling", "websocket"]) {
  test(`works over ${transport} alone`, async () => {
    const client = connect({ transports: [transport] });
    await client.expect("ready");
    await control("orders?order=2&count=3");
    for (let i = 0; i < 3; i += 1) await client.expect(i === 0 && transport === "polling" ? "order:created" : "order:updated");
    assert.equal(client.socket.io.engine.transport.name, transport);
    client.close();
  });
}

test("with auth.seq it gets what it missed, each change once", async () => {
  const client = connect();
  await client.expect("ready");
  await control("orders?order=3&count=5");
  for (let n = 1; n <= 3; n += 1) {
    assert.equal((await client.expect(n === 1 ? "order:created" : "order:updated")).order.n, n);
  }
  // It goes away having processed three, and misses some.
  const { seq } = client;
  client.close();
  await control("orders?order=3&count=5");
  const back = connect({ auth: { seq, topics: ["orders"] } });
  assert.equal((await back.expect("ready")).resumed, true);
  for (let n = 4; n <= 10; n += 1) assert.equal((await back.expect("order:updated")).order.n, n);
  await control("orders?order=3&count=1");
  assert.equal((await back.expect("order:updated")).order.n, 11);
  back.close();
});

test("a reconnection by itself resumes when auth is a function", async () => {
  let seq;
  const client = connect({ reconnection: true, reconnectionDelay: 10, auth: (give) => give(seq ? { seq } : {}) });
  await client.expect("ready");
  await control("orders?order=4&count=1");
  await client.expect("order:created");
  seq = client.seq;
  client.socket.io.engine.close();
  await client.expect("disconnect");
  await control("orders?order=4&count=2");
  assert.equal((await client.expect("ready")).resumed, true);
  assert.equal((await client.expect("order:updated")).order.n, 2);
  assert.equal((await client.expect("order:updated")).order.n, 3);
  client.close();
});

test("much that was missed survives the change of transport", async () => {
  const client = connect({ transports: ["websocket"] });
  const { seq } = await client.expect("ready");
  client.close();
  // Several times the server's queue and what one polling answer usually holds.
  await control("orders?order=5&count=300&size=30000");
  const back = connect({ auth: { seq } });
  await back.expect("ready");
  for (let n = 1; n <= 300; n += 1) {
    assert.equal((await back.expect(n === 1 ? "order:created" : "order:updated")).order.n, n);
  }
  back.close();
});

test("filters and their errors", async () => {
  const client = connect({ auth: { userId: "user-7", topics: "orders" } });
  await client.expect("ready");
  await control("orders?order=6&count=2");
  await control("orders?order=7&count=1");
  assert.equal((await client.expect("order:created")).order.userId, "user-7");
  client.close();
  for (const auth of [{ topics: "everything" }, { orderId: "7" }, { userId: 7 }, { seq: {} }]) {
    const refused = connect({ auth });
    const error = await refused.expect("connect_error");
    assert.match(error.message, /^INVALID_QUERY: /, JSON.stringify(auth));
    refused.close();
  }
});

test("a seq that cannot be gone on from is a reload", async () => {
  const client = connect();
  const { seq } = await client.expect("ready");
  client.close();
  await control("orders?order=8&count=3");
  await control("trim");
  for (const [old, reason] of [[seq, "too_far_behind"], ["no-seq!", "unknown_position"]]) {
    const back = connect({ auth: { seq: old } });
    assert.equal((await back.expect("ready")).resumed, false);
    assert.equal((await back.expect("reload")).reason, reason);
    back.close();
  }
});

test("shutdown says why, and the client may come back by itself", async () => {
  const clients = [connect(), connect({ transports: ["websocket"] })];
  for (const client of clients) await client.expect("ready");
  const [first] = clients;
  await new Promise((resolve) =>
    first.socket.io.engine.transport.name === "websocket" ? resolve() : first.socket.io.engine.once("upgrade", resolve));
  await control("shutdown");
  for (const client of clients) {
    const goodbye = await client.expect("server:shutdown");
    assert.equal(goodbye.reason, "server_shutdown");
    assert.ok(goodbye.seq);
    // Not "io server disconnect", after which the client would stay away.
    assert.equal(await client.expect("disconnect"), "transport close");
    client.close();
  }
});
