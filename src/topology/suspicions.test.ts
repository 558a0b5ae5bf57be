import { expect, test } from "vitest";
import { lintTopology } from "./lint.ts";
import type { OfficeSpec } from "./office.ts";

const CENTRAL = office("Central", undefined, ["10.0.0.0/16"]);
const HAMBURG = office("Hamburg", "Central", ["10.7.0.0/24", "10.7.1.0/24"]);

test.each<readonly [string, OfficeSpec]>([
  ["unrelated private blocks", office("Berlin", "Central", ["10.1.0.0/24", "192.168.5.0/24"])],
  ["private and public", office("Berlin", "Central", ["10.1.0.0/24", "198.51.100.0/24"])],
  ["a subnet amid another site", office("Berlin", "Central", ["10.1.0.0/24", "10.7.9.0/24"])],
  ["a range amid another site", office("Berlin", "Central", ["10.1.0.0/24", "10.7.9.1-10.7.9.9"])],
])("a line inside an office is suspected by %s", (_, berlin) => {
  const findings = lintTopology([CENTRAL, HAMBURG, berlin], []);

  expect(findings).toMatchObject([
    { severity: "warning", code: "wan-inside-office", office: "Berlin", row: 3 },
  ]);
  for (const text of berlin.subnets) expect(findings[0]?.sentence).toContain(text);
});

test.each<readonly [string, readonly OfficeSpec[]]>([
  ["subnets side by side", [HAMBURG]],
  ["two /16 of its own", [office("Berlin", "Central", ["10.1.0.0/16", "10.2.0.0/16"])]],
  ["the outer side of its NAT", [office("Berlin", "Central", ["10.1.0.0/24", "198.51.100.7"])]],
  ["both families", [office("Berlin", "Central", ["10.1.0.0/24", "2001:db8:1::/48"])]],
  [
    "VPN",
    [HAMBURG, { ...office("Homes", "Central", ["10.7.9.0/24", "100.64.0.0/16"]), type: "vpn" }],
  ],
  [
    "the site that its WiFi shares",
    [
      office("Berlin", "Central", ["10.1.0.0/24", "10.2.0.0/24"]),
      { ...office("Berlin air", "Berlin", ["10.2.9.0/24"]), type: "wifi" },
    ],
  ],
  [
    "a block that all offices have subnets of",
    [
      office("Berlin", "Central", ["10.9.0.0/24", "10.1.0.0/24"]),
      ...["A", "B", "C", "D"].map((name, at) => office(name, "Central", [`10.9.${at + 1}.0/24`])),
    ],
  ],
])("a line inside an office is not suspected because of %s", (_, others) => {
  expect(lintTopology([CENTRAL, ...others], [])).toEqual([]);
});

test.each([
  ["large-subnet", "10.4.0.0/15"],
  ["large-subnet", "2001:db8::/47"],
  ["unusable-subnet", "169.254.3.0/24"],
  ["unusable-subnet", "239.0.0.0/24"],
])("%s: %s is worth a look", (code, subnet) => {
  const findings = lintTopology([CENTRAL, office("Berlin", "Central", [subnet])], []);

  expect(findings.map((finding) => finding.code)).toEqual([code]);
  expect(findings[0]?.sentence).toContain(subnet);
});

test("an office that is called VPN or WiFi and is neither is worth a look", () => {
  const codes = ["Home VPN", "Berlin Wi-Fi", "WLAN 2", "Vpnia", "Wifire"].map((name) =>
    lintTopology([CENTRAL, office(name, "Central", ["10.9.0.0/24"])], []).map(({ code }) => code),
  );

  expect(codes).toEqual([["looks-like-vpn"], ["looks-like-wifi"], ["looks-like-wifi"], [], []]);
});

function office(name: string, parent: string | undefined, subnets: readonly string[]): OfficeSpec {
  return { name, ...(parent === undefined ? {} : { parent }), type: "default", subnets };
}
