import { describe, expect, test } from "vitest";
import { answerHeader, negotiate, readAnswer } from "./http-negotiation.ts";

const BOTH = "MinContentInformation=1.0, MaxContentInformation=2.0";

describe("a request is answered with content information", () => {
  test.each([
    { rule: "PT3: of version 1 without the second header", ex: undefined, version: 1 },
    { rule: "PT3: of version 2 where it is allowed", ex: BOTH, version: 2 },
    {
      rule: "PT3: of version 1 where no more is allowed",
      ex: "MinContentInformation=1.0, MaxContentInformation=1.0",
      version: 1,
    },
    {
      rule: "PT3: of version 2 where no less is",
      ex: "MinContentInformation=2.0,MaxContentInformation=2.0",
      version: 2,
    },
    {
      rule: "PT3: of version 2 for those who know more",
      ex: "MinContentInformation=1.5, MaxContentInformation=12.0",
      version: 2,
    },
    {
      rule: "PT3: versions are integers, not decimals",
      ex: "MinContentInformation=1.0, MaxContentInformation=1.23",
      version: 1,
    },
  ])("$rule", ({ ex, version }) => {
    const answer = negotiate({
      acceptEncoding: "gzip, deflate, peerdist",
      peerDist: "Version=1.1",
      peerDistEx: ex,
    });

    expect(answer).toEqual({
      kind: "content-information",
      version,
      protocol: { major: 1, minor: 1 },
      hashRequest: false,
    });
  });

  test("PT4: the lower version of the extension is spoken, and 1.0 knows one structure", () => {
    const headers = { acceptEncoding: "PeerDist", peerDistEx: BOTH };

    expect(negotiate({ ...headers, peerDist: "version=1.0" })).toMatchObject({
      version: 1,
      protocol: { major: 1, minor: 0 },
    });
    expect(negotiate({ ...headers, peerDist: "Version=1.7" })).toMatchObject({
      version: 2,
      protocol: { major: 1, minor: 1 },
    });
  });

  test("PT6: a client that was invited to ask for hashes says so", () => {
    expect(
      negotiate({
        acceptEncoding: "peerdist",
        peerDist: "Version=1.1",
        peerDistEx: `${BOTH}, HashRequest=true`,
      }),
    ).toMatchObject({ kind: "content-information", hashRequest: true });
  });

  test("PT8: MissingDataRequest=false changes nothing", () => {
    expect(
      negotiate({ acceptEncoding: "peerdist", peerDist: "Version=1.1, MissingDataRequest=false" }),
    ).toMatchObject({ kind: "content-information" });
  });
});

describe("a request is answered plainly", () => {
  test.each([
    {
      rule: "PT1: without the coding",
      acceptEncoding: "gzip",
      peerDist: "Version=1.1",
      why: "no-peerdist",
    },
    {
      rule: "PT1: with the coding refused",
      acceptEncoding: "peerdist;q=0.0",
      peerDist: "Version=1.1",
      why: "no-peerdist",
    },
    {
      rule: "PT1: with a coding of a similar name",
      acceptEncoding: "xpeerdist",
      peerDist: "Version=1.1",
      why: "no-peerdist",
    },
    {
      rule: "PT2: without a version",
      acceptEncoding: "peerdist",
      peerDist: undefined,
      why: "malformed",
    },
    {
      rule: "PT2: with a version that is none",
      acceptEncoding: "peerdist",
      peerDist: "Version=one",
      why: "malformed",
    },
    {
      rule: "PT2: with parameters that are none",
      acceptEncoding: "peerdist",
      peerDist: "Version=1.1; x",
      why: "malformed",
    },
    {
      rule: "PT4: for another major version",
      acceptEncoding: "peerdist",
      peerDist: "Version=2.0",
      why: "incompatible",
    },
    {
      rule: "PT8: where nobody else had the bytes",
      acceptEncoding: "identity",
      peerDist: "Version=1.1, MissingDataRequest=true",
      why: "missing-data",
    },
    {
      rule: "PT8: where the flag is neither",
      acceptEncoding: "peerdist",
      peerDist: "Version=1.1, MissingDataRequest=maybe",
      why: "malformed",
    },
  ])("$rule", ({ acceptEncoding, peerDist, why }) => {
    expect(negotiate({ acceptEncoding, peerDist })).toEqual({ kind: "plain", why });
  });

  test.each([
    "MinContentInformation=900.0",
    "MinContentInformation=900.0, MaxContentInformation=901.0",
    "MinContentInformation=0.1, MaxContentInformation=0.9",
    "MinContentInformation=1.1, MaxContentInformation=1.9",
  ])("PT3: where no structure fits: %s", (ex) => {
    expect(
      negotiate({ acceptEncoding: "peerdist", peerDist: "Version=1.1", peerDistEx: ex }),
    ).toEqual({ kind: "plain", why: "incompatible" });
  });
});

describe("an answer", () => {
  test("PT5: says the version and the length of the entity", () => {
    expect(answerHeader({ major: 1, minor: 1 }, 99_710)).toBe("Version=1.1, ContentLength=99710");
  });

  test("PT7: is content information where its coding says so, in any case of letters", () => {
    expect(
      readAnswer({ contentEncoding: "PeerDist", peerDist: "ContentLength=7, Version=1.1" }),
    ).toEqual({ kind: "content-information", entityBytes: 7 });
    expect(readAnswer({ contentEncoding: "gzip", peerDist: "Version=1.1" })).toEqual({
      kind: "plain",
    });
  });

  test("PT7: is refused where the length is missing or none", () => {
    for (const peerDist of [undefined, "Version=1.1", "ContentLength=-1", "ContentLength=9e9"]) {
      expect(readAnswer({ contentEncoding: "peerdist", peerDist })).toEqual({ kind: "malformed" });
    }
  });
});
