import type { CborValue } from "./cbor.ts";

/** Turns a typed value into CBOR and back. `decode` is total: `undefined` for what does not fit. */
export type Codec<T> = {
  encode(value: T): CborValue;
  decode(value: CborValue): T | undefined;
};

/** An integer in `[min, max]`. */
export function integer(min = 0, max: number = Number.MAX_SAFE_INTEGER): Codec<number> {
  return {
    encode: (value) => value,
    decode: (value) =>
      typeof value === "number" && value >= min && value <= max ? value : undefined,
  };
}

/** A truth value. */
export const boolean: Codec<boolean> = {
  encode: (value) => value,
  decode: (value) => (typeof value === "boolean" ? value : undefined),
};

/** Text of at most `lengthMax` UTF-16 units. */
export function text(lengthMax: number): Codec<string> {
  return {
    encode: (value) => value,
    decode: (value) => (typeof value === "string" && value.length <= lengthMax ? value : undefined),
  };
}

/** A byte string of `lengthMin` to `lengthMax` bytes. */
export function byteString(lengthMin: number, lengthMax: number): Codec<Uint8Array> {
  return {
    encode: (value) => value,
    decode: (value) =>
      value instanceof Uint8Array && value.length >= lengthMin && value.length <= lengthMax
        ? value
        : undefined,
  };
}

/** A list of at most `countMax` elements. */
export function list<T>(element: Codec<T>, countMax: number): Codec<readonly T[]> {
  return {
    encode: (values) => values.map((value) => element.encode(value)),
    decode: (value) => {
      if (!Array.isArray(value) || value.length > countMax) return undefined;
      const elements: T[] = [];
      for (const item of value) {
        const decoded = element.decode(item);
        if (decoded === undefined) return undefined;
        elements.push(decoded);
      }
      return elements;
    },
  };
}

/** One of a closed set of words, written as its number. A word's number never changes. */
export function oneOf<Word extends string>(numbers: Readonly<Record<Word, number>>): Codec<Word> {
  const words = new Map<number, Word>();
  for (const word of Object.keys(numbers) as Word[]) words.set(numbers[word], word);
  return {
    encode: (value) => numbers[value],
    decode: (value) => (typeof value === "number" ? words.get(value) : undefined),
  };
}

/** Something parsed from another form, such as a branded id from its bytes. */
export function mapped<Inner, Outer>(
  inner: Codec<Inner>,
  toInner: (value: Outer) => Inner,
  toOuter: (value: Inner) => Outer | undefined,
): Codec<Outer> {
  return {
    encode: (value) => inner.encode(toInner(value)),
    decode: (value) => {
      const decoded = inner.decode(value);
      return decoded === undefined ? undefined : toOuter(decoded);
    },
  };
}

/** A field's number on the wire, its codec, and whether it may be absent. */
export type Field<T> = {
  readonly number: number;
  readonly codec: Codec<T>;
  readonly absent: boolean;
};

/** A field that is always there. */
export function field<T>(number: number, codec: Codec<T>): Field<T> {
  return { number, codec, absent: false };
}

/** A field that may be absent; `undefined` is never written. */
export function optional<T>(number: number, codec: Codec<T>): Field<T> {
  return { number, codec, absent: true };
}

/** The fields of a structure, one for each property of `T`. */
export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/**
 * A structure, written as a map from field numbers to values.
 *
 * Numbers that we do not know are passed over, so that a later version can add fields.
 */
export function structure<T extends object>(fields: Fields<T>): Codec<T> {
  const entries = Object.entries(fields) as [keyof T & string, Field<unknown>][];
  return {
    encode: (value) => {
      const map = new Map<number, CborValue>();
      for (const [name, { number, codec }] of entries) {
        if (value[name] !== undefined) map.set(number, codec.encode(value[name]));
      }
      return map;
    },
    decode: (value) => {
      if (!(value instanceof Map)) return undefined;
      const decoded: Record<string, unknown> = {};
      for (const [name, { number, codec, absent }] of entries) {
        const written = value.get(number) as CborValue | undefined;
        const inner = written === undefined ? undefined : codec.decode(written);
        if (inner === undefined && !(absent && written === undefined)) return undefined;
        if (inner !== undefined) decoded[name] = inner;
      }
      return decoded as T;
    },
  };
}
