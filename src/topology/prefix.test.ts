import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAddress, parseAddress } from "./address.ts";
import { PrefixMap, parseSubnet, prefixOf } from "./prefix.ts";

test("an address is read in every usual form and written in one", () => {
  const forms: readonly (readonly [string, string])[] = [
    ["10.1.2.3", "10.1.2.3"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["::", "::"],
    ["::1", "::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
  ];

  const written = forms.map(([text]) => {
    const address = parseAddress(text);
    return address === undefined ? undefined : formatAddress(address);
  });

  expect(written).toEqual(forms.map(([, canonical]) => canonical));
});

test.each([
  "",
  "10.1.2",
  "10.1.2.256",
  "10.01.2.3",
  "1.2.3.4.5",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1::2::3",
  ":::",
  "12345::",
  "::1.2.3.4.5",
  "1.2.3.4::",
  "fe80::1%",
])("%j is no address", (text) => {
  expect(parseAddress(text)).toBeUndefined();
});

test("every address survives being written and read, and no text makes the reader fail", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), (value) => {
      fc.pre(value >> 32n !== 0xff_ffn);
      const address = { family: 6, value } as const;
      expect(parseAddress(formatAddress(address))).toEqual(address);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseAddress(text);
      parseSubnet(text);
    }),
  );
});

test("a subnet is a CIDR, an address or a range", () => {
  expect(textOf("10.1.0.0/16")).toBe("10.1.0.0/16");
  expect(textOf(" 10.1.0.7 ")).toBe("10.1.0.7/32");
  expect(textOf("2001:db8::/32")).toBe("2001:db8::/32");
  expect(textOf("10.1.0.10 - 10.1.0.99")).toBe("10.1.0.10-10.1.0.99");
  expect(textOf("10.1.0.0-10.1.0.255")).toBe("10.1.0.0/24");
});

test.each([
  ["10.1.0.1/16", "has bits set behind its prefix: write 10.1.0.0/16"],
  ["10.1.0.0/33", "needs a prefix length from 0 to 32 behind the slash"],
  ["10.1.0.0/", "needs a prefix length from 0 to 32 behind the slash"],
  ["office/8", "does not begin with an IPv4 or IPv6 address"],
  ["10.0.0.9-10.0.0.1", "ends before it begins"],
  ["10.0.0.1-::1", "mixes IPv4 and IPv6"],
  ["10.0.0.1-", "is no range: write it as 10.1.0.10-10.1.0.99"],
])("%s is refused: it %s", (text, problem) => {
  expect(parseSubnet(text)).toEqual({ problem });
});

test("the prefixes of a range cover it exactly", () => {
  const address = fc.integer({ min: 0, max: 2 ** 20 });
  fc.assert(
    fc.property(address, address, (a, b) => {
      const first = BigInt(Math.min(a, b));
      const last = BigInt(Math.max(a, b));
      const text = [first, last].map((value) => formatAddress({ family: 4, value })).join("-");
      const parsed = parseSubnet(text);
      if (!("subnet" in parsed)) throw new Error(parsed.problem);
      let at = first;
      for (const prefix of parsed.subnet.prefixes) {
        expect(prefix.value).toBe(at);
        expect(prefixOf(prefix, prefix.length)).toEqual(prefix);
        at += 1n << BigInt(32 - prefix.length);
      }
      expect(at).toBe(last + 1n);
    }),
  );
});

test("the longest prefix that an address begins with decides", () => {
  const map = new PrefixMap<string>();
  for (const text of ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"]) {
    const parsed = parseSubnet(text);
    if (!("subnet" in parsed)) throw new Error(parsed.problem);
    for (const prefix of parsed.subnet.prefixes) map.set(prefix, text);
  }

  const found = ["10.1.2.3", "10.2.2.3", "192.0.2.1", "2001:db8::1", "2001:db9::1"].map((text) => {
    const address = parseAddress(text);
    return address === undefined ? "no address" : map.longest(address);
  });

  expect(found).toEqual(["10.1.0.0/16", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", undefined]);
});

function textOf(text: string): string {
  const parsed = parseSubnet(text);
  return "subnet" in parsed ? parsed.subnet.text : parsed.problem;
}
