import { expect, test } from "vitest";
import { type DeviceId, parseDeviceId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { GIB, KIB, MS, SECOND } from "../base/units.ts";
import type { Candidate } from "./election.ts";
import { rankCandidates } from "./election.ts";
import {
  BARREN_US,
  CLAIM_EVERY_US,
  CLAIM_SILENCE_US,
  INCUMBENT_US,
  Succession,
} from "./succession.ts";

const TICK_US = 250 * MS;

test("EL1: before anybody has spoken, the best candidate holds the office for everyone", () => {
  const office = new Office(4);

  expect(office.holders()).toEqual(["1", "1", "1", "1"]);
});

test("EL3: when the holder falls silent the next best takes over, and all agree, within 3 s", () => {
  const office = new Office(4);
  office.run(10 * SECOND);

  office.kill("1");
  office.run(CLAIM_SILENCE_US + SECOND);

  expect(office.holders()).toEqual(["2", "2", "2"]);
});

test("EL4: one that comes back finds its successor in office, and leaves it there", () => {
  const office = new Office(3);
  office.run(10 * SECOND);
  office.kill("1");
  office.run(10 * SECOND);

  office.revive("1");
  office.run(60 * SECOND);

  expect(office.holders()).toEqual(["2", "2", "2"]);
});

test("EL5: one that is alive and brings nothing is passed over, and hears of it", () => {
  const office = new Office(4);
  office.working = true;
  office.run(20 * SECOND);
  expect(office.holders()).toEqual(["1", "1", "1", "1"]);

  office.barren.add("1");
  office.run(BARREN_US + 2 * SECOND);

  expect(office.holders()).toEqual(["2", "2", "2", "2"]);
});

test("EL5: a trickle is nothing", () => {
  const office = new Office(2);
  office.working = true;
  office.trickleBytes = 10;
  office.run(BARREN_US + CLAIM_SILENCE_US + SECOND);

  expect(office.holders()).toEqual(["2", "2"]);
});

test("EL5: where nobody brings anything everyone has a turn, again and again", () => {
  const office = new Office(3);
  office.working = true;
  for (const id of ["1", "2", "3"]) office.barren.add(id);
  const seen = new Set<string>();
  for (let turn = 0; turn < 12; turn += 1) {
    office.run(BARREN_US / 2);
    for (const holder of office.holders()) seen.add(holder);
  }

  expect([...seen].sort()).toEqual(["1", "2", "3"]);
});

test("EL9: one that was late and not dead is back in office where nobody has taken its place", () => {
  const office = new Office(4);
  office.run(10 * SECOND);

  // Only the third misses it, and expects the second one, which sees no reason to claim.
  office.part(["1", "2", "4"], ["2", "3", "4"]);
  office.run(CLAIM_SILENCE_US + SECOND);
  office.part(["1", "2", "3", "4"]);
  office.run(SECOND);

  expect(office.holders()).toEqual(["1", "1", "1", "1"]);
});

test("EL3: one whose claims always come late is given more time", () => {
  const office = new Office(3);
  office.run(10 * SECOND);
  for (let time = 0; time < 5; time += 1) {
    office.part(["1"], ["2", "3"]);
    office.run(1_500 * MS);
    office.part(["1", "2", "3"]);
    office.run(SECOND);
  }

  office.part(["1"], ["2", "3"]);
  office.run(3_500 * MS);

  expect(office.holders()).toEqual(["1", "1", "1"]);
});

test("EL6: a better candidate waits while the holder works, and takes over after ten minutes", () => {
  const office = new Office(2);
  office.run(10 * SECOND);

  office.join("9", 900 * GIB);
  office.run(INCUMBENT_US - 60 * SECOND);
  const before = office.holders();
  office.run(120 * SECOND);

  expect(before).toEqual(["1", "1", "1"]);
  expect(office.holders()).toEqual(["9", "9", "9"]);
});

test("EL2: of two halves that could not hear each other, the one with the greater term goes on", () => {
  const office = new Office(4);
  office.run(10 * SECOND);
  office.part(["1", "2"], ["3", "4"]);
  office.run(10 * SECOND);
  expect(office.holders()).toEqual(["1", "1", "3", "3"]);

  office.part(["1", "2", "3", "4"]);
  office.run(5 * SECOND);

  expect(new Set(office.holders())).toEqual(new Set(["3"]));
});

test("EL9: devices that begin without hearing each other agree as soon as they do", () => {
  const office = new Office(3);
  office.part(["1"], ["2"], ["3"]);
  office.run(CLAIM_SILENCE_US + 2 * SECOND);
  expect(new Set(office.holders()).size).toBeGreaterThan(1);

  office.part(["1", "2", "3"]);
  office.run(2 * SECOND);

  expect(new Set(office.holders()).size).toBe(1);
});

test("EL7: one that was suspended takes nobody for dead when it wakes", () => {
  const office = new Office(3);
  office.run(10 * SECOND);

  office.suspended.add("3");
  office.run(100 * SECOND);
  office.suspended.delete("3");
  office.run(SECOND);

  expect(office.holders()).toEqual(["1", "1", "1"]);
});

test("whatever order of deaths and returns, all that are alive agree in the end", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const prng = new Prng(seed);
    const office = new Office(5);
    for (let event = 0; event < 12; event += 1) {
      const id = String(1 + prng.below(5));
      if (office.isAlive(id)) office.kill(id);
      else office.revive(id);
      office.run((1 + prng.below(80)) * 100 * MS);
    }
    office.run(90 * SECOND);
    const holders = new Set(office.holders());
    if (office.holders().length === 0) continue;
    expect(holders.size, `seed ${seed}`).toBe(1);
    expect(office.isAlive([...holders][0] ?? ""), `seed ${seed}`).toBe(true);
  }
});

/** Devices that hear each other's claims at once, on one clock. */
class Office {
  readonly barren = new Set<string>();
  readonly suspended = new Set<string>();
  /** Whether the holder has something to bring. */
  working = false;
  trickleBytes = 100 * KIB;
  readonly #devices = new Map<string, Succession>();
  readonly #candidates = new Map<string, Candidate>();
  readonly #brought = new Map<string, number>();
  readonly #saidAtUs = new Map<string, number>();
  #sides: readonly (readonly string[])[] = [];
  #nowUs = 1_000 * SECOND;

  constructor(size: number) {
    for (let index = 1; index <= size; index += 1) this.join(String(index), 100 * GIB);
  }

  join(id: string, freeBytes: number): void {
    const uptimeS = 100 - Number(id);
    const facts = { freeBytes, usableBytes: 0, preferred: false, desktop: true, serverOs: false };
    this.#candidates.set(id, { deviceId: deviceId(id), facts: { ...facts, uptimeS } });
    this.revive(id);
  }

  kill(id: string): void {
    this.#devices.delete(id);
  }

  revive(id: string): void {
    this.#devices.set(id, new Succession(deviceId(id)));
    this.#rank();
  }

  part(...sides: readonly (readonly string[])[]): void {
    this.#sides = sides;
  }

  isAlive(id: string): boolean {
    return this.#devices.has(id);
  }

  holders(): readonly string[] {
    return [...this.#devices]
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, { holder }]) => String(Number(holder)));
  }

  run(us: number): void {
    const endUs = this.#nowUs + us;
    for (; this.#nowUs < endUs; this.#nowUs += TICK_US) this.#tick();
  }

  #tick(): void {
    for (const [id, device] of this.#devices) {
      if (this.suspended.has(id)) continue;
      const holds = device.holder === deviceId(id);
      if (holds && !this.barren.has(id)) {
        this.#brought.set(id, (this.#brought.get(id) ?? 0) + this.trickleBytes);
      }
      const broughtBytes = this.#brought.get(id) ?? 0;
      device.onTick(this.#nowUs, { wants: this.working, broughtBytes, listening: true });
      if (device.holder === deviceId(id)) this.#say(id, device, broughtBytes);
    }
  }

  #say(id: string, speaker: Succession, broughtBytes: number): void {
    if (this.#nowUs - (this.#saidAtUs.get(id) ?? 0) < CLAIM_EVERY_US) return;
    this.#saidAtUs.set(id, this.#nowUs);
    for (const [other, device] of this.#devices) {
      if (other === id || this.suspended.has(other) || !this.#hear(id, other)) continue;
      const { term } = speaker;
      const everyUs = CLAIM_EVERY_US;
      const claim = { term, everyUs, wants: this.working, broughtBytes };
      if (device.onClaim(deviceId(id), claim)) this.#saidAtUs.set(other, 0);
    }
  }

  #hear(a: string, b: string): boolean {
    return (
      this.#sides.length === 0 || this.#sides.some((side) => side.includes(a) && side.includes(b))
    );
  }

  /** Everyone may still take a dead one for a candidate: what tells them is its silence. */
  #rank(): void {
    const ranked = rankCandidates([...this.#candidates.values()]);
    for (const device of this.#devices.values()) device.setCandidates(ranked);
  }
}

function deviceId(id: string): DeviceId {
  const parsed = parseDeviceId(id.padStart(32, "0"));
  if (parsed === undefined) throw new Error("a device id");
  return parsed;
}
