import { beforeEach, expect, test } from "vitest";

import { authorization, identityOf, setToken, token, watchToken } from "./token";

const encoded = (claims: unknown): string => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;

beforeEach(() => setToken(""));

test("a token is sent once there is one", () => {
  expect(authorization()).toEqual({});
  let changes = 0;
  const stop = watchToken(() => changes++);
  setToken("  Bearer a.b.c\n");
  expect(token()).toBe("a.b.c");
  expect(authorization()).toEqual({ authorization: "Bearer a.b.c" });
  stop();
  setToken("");
  expect(authorization()).toEqual({});
  expect(changes).toBe(1);
});

test("it says who it is of", () => {
  expect(identityOf(encoded({ sub: "größe", role: "customer" }))).toEqual({ subject: "größe", role: "customer" });
  for (const wrong of ["", "x", "a.b.c", encoded(null), encoded({ sub: 1, role: "admin" }), encoded({ sub: "a" })]) {
    expect(identityOf(wrong)).toBeNull();
  }
});
