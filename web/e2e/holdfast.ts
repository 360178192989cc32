/** A running `holdfast` of its own: free ports, a temporary folder, gone at the end. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

const BINARY = process.env.HOLDFAST_BIN ?? path.resolve(import.meta.dirname, "../../target/debug/holdfast");
export const TEST_PRODUCT = "650000000000000000000001";

export interface Order {
  _id: string;
  orderNumber: string;
  status: number;
  stockStatus: string;
}

interface Listening {
  event: string;
  service?: string;
  addr?: string;
}

export class Holdfast {
  readonly folder = mkdtempSync(path.join(tmpdir(), "holdfast-web-"));
  url = "";
  #child: ChildProcess | undefined;

  async start(variables: Record<string, string> = {}): Promise<this> {
    const env = {
      DATA_DIR: this.folder,
      ORDERS_ADDR: "127.0.0.1:0",
      PRODUCTS_ADDR: "127.0.0.1:0",
      WEB_ADDRS: this.url === "" ? "127.0.0.1:0" : new URL(this.url).host,
      LOG: "warn",
      LOG_FORMAT: "json",
      ...variables,
    };
    const child = spawn(BINARY, [], { env, cwd: this.folder, stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    const ended = new Promise<never>((_, fail) => {
      child.once("error", fail);
      child.once("exit", (code) => fail(new Error(`holdfast ended with ${code} before it was ready`)));
    });
    ended.catch(() => undefined);
    const ready = (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        const said = JSON.parse(line) as Listening;
        if (said.service === "web") this.url = `http://${said.addr}`;
        if (said.event === "ready") return;
      }
    })();
    await Promise.race([ready, ended]);
    return this;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }

  kill = (): Promise<void> => this.#end("SIGKILL");

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }

  async call<T>(method: string, address: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.url}/services/${address}`, {
      method,
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    const said = (await response.json()) as { data: T; message: string };
    if (!response.ok) throw new Error(`${method} ${address}: ${response.status} ${said.message}`);
    return said.data;
  }

  /** The quick start's order, of any product. */
  async place(
    changes: { userId?: string; quantity?: number; productId?: string; price?: number; name?: string } = {},
  ): Promise<Order> {
    const {
      userId = "test-user-123",
      quantity = 2,
      productId = TEST_PRODUCT,
      price = 29.99,
      name = "Test Product",
    } = changes;
    const { order } = await this.call<{ order: Order }>("POST", "orders/api/v1/orders", {
      userId,
      items: [{ productId, productName: name, quantity, price }],
      totalAmount: Math.round(price * 100 * quantity) / 100,
      shippingAddress: { street: "123 Test St", city: "Test City", state: "TS", zipCode: "12345", country: "USA" },
      paymentMethod: "credit_card",
    });
    return order;
  }

  async order(id: string): Promise<Order> {
    return (await this.call<{ order: Order }>("GET", `orders/api/v1/orders/${id}`)).order;
  }

  /** A product of this test's own, as `place` wants it. */
  async goods(name: string, stock: number): Promise<{ productId: string; name: string; price: number }> {
    const price = 10;
    const response = await fetch(`${this.url}/services/products/api/v1/products`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": crypto.randomUUID() },
      body: JSON.stringify({ name, price, stock, category: "Tests" }),
    });
    const { data } = (await response.json()) as { data: { product: { _id: string } } };
    return { productId: data.product._id, name, price };
  }
}
