// The ordinary JavaScript client against a gateway (LIVE_URL) that asks for tokens; /test/token/… gives some, of user-2.
import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";

const url = process.env.LIVE_URL;

async function tokenFor(seconds) {
  const answer = await fetch(`${url}/test/token/${seconds}`, { method: "POST" });
  assert.equal(answer.status, 200);
  return answer.text();
}

const token = await tokenFor(3600);

/** Resolves with the first of these events. */
function first(socket, ...events) {
  return new Promise((resolve) => {
    for (const event of events) socket.on(event, (value) => resolve({ event, value }));
  });
}

const connect = (auth, transports = ["websocket"]) => io(url, { forceNew: true, reconnection: false, auth, transports });

test("without a good token there is no connection", async () => {
  for (const auth of [undefined, {}, { token: "" }, { token: 7 }, { token: "x.y.z" }, { token: `${token}x` }]) {
    const socket = connect(auth);
    const { event, value } = await first(socket, "ready", "connect_error");
    assert.equal(event, "connect_error", JSON.stringify(auth));
    assert.match(value.message, auth?.token === 7 ? /^INVALID_QUERY/ : /^UNAUTHENTICATED/);
    socket.disconnect();
  }
});

test("another user's room is refused", async () => {
  const socket = connect({ token, userId: "user-1" });
  const { value } = await first(socket, "ready", "connect_error");
  assert.match(value.message, /^FORBIDDEN/);
  socket.disconnect();
});

test("a customer is told of the own orders only", async () => {
  for (const transports of [["websocket"], ["polling"]]) {
    const socket = connect({ token, topics: "orders" }, transports);
    assert.equal((await first(socket, "ready", "connect_error")).event, "ready");
    const told = first(socket, "order:created", "order:updated");
    for (const order of [1, 2]) {
      const answer = await fetch(`${url}/test/orders?order=${order}&count=1`, { method: "POST" });
      assert.equal(answer.status, 200);
    }
    assert.equal((await told).value.order.userId, "user-2");
    socket.disconnect();
  }
});

test("a connection ends with its token", async () => {
  const socket = connect({ token: await tokenFor(1) });
  const gone = first(socket, "disconnect");
  const error = first(socket, "error");
  // After `ready`, unless it took so long to get here that it is over.
  assert.equal((await error).value.code, "UNAUTHENTICATED");
  assert.equal((await gone).value, "io server disconnect");
});
