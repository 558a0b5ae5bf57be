import { expect, test } from "vitest";
import { socketAddress } from "./socket-address.ts";

test("an address and port is read, and anything else refused under the name of its flag", () => {
  const address = socketAddress({ flag: "--listen", text: "[fd00::7]:5301" });
  expect(address).toEqual({ host: "fd00::7", port: 5301 });

  const refusal = {
    code: "usage-address",
    message: expect.stringMatching(/^--listen nowhere: write it as /),
  };
  expect(() => socketAddress({ flag: "--listen", text: "nowhere" })).toThrow(
    expect.objectContaining(refusal),
  );
});
