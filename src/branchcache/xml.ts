/**
 * An element of an XML document (XML 1.0, Namespaces in XML 1.0), as far as SOAP needs it.
 */
export type XmlElement = {
  /** Empty where it has none. */
  readonly namespace: string;
  /** Without its prefix. */
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** The text right in it, with what it refers to. */
  readonly text: string;
  /** The namespaces in force in it, by prefix; the default one by the empty text. */
  readonly scope: ReadonlyMap<string, string>;
};

/** How deep elements may lie in each other. */
const DEPTH_MAX = 16;

/** How many elements a document may have. */
const ELEMENTS_MAX = 512;

/** How many declarations of namespaces are in force at a time. */
const SCOPE_MAX = 64;

/**
 * Reads a document; `undefined` where it is not well-formed or larger than any that is meant here.
 *
 * There are no document types, and so no entities of their own: nothing that is short can become
 * long. Total, and its work is bounded by the length of the text.
 */
export function parseXml(text: string): XmlElement | undefined {
  return new Parser(text).document();
}

/** The first child of that name. */
export function childOf(
  element: XmlElement | undefined,
  namespace: string,
  name: string,
): XmlElement | undefined {
  return element?.children.find((child) => child.name === name && child.namespace === namespace);
}

/** Writes text so that it stands for itself in an element. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

type Open = {
  readonly qualifiedName: string;
  readonly namespace: string;
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
  readonly scope: ReadonlyMap<string, string>;
};

/** A start tag: a name, attributes, and how it ends. */
const START =
  /<([A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const END = /<\/([A-Za-z_][\w.:-]*)\s*>/y;
const ATTRIBUTE = /([A-Za-z_][\w.:-]*)\s*=\s*(?:"([^"<]*)"|'([^'<]*)')/g;
const TEXT = /[^<]+/y;
const CDATA = /<!\[CDATA\[([\s\S]*?)\]\]>/y;
const IGNORED = /<!--[\s\S]*?-->|<\?[\s\S]*?\?>/y;

class Parser {
  readonly #text: string;
  #at = 0;
  #elements = 0;
  readonly #open: Open[] = [];
  #root: XmlElement | undefined;

  constructor(text: string) {
    // A byte order mark is no part of the document.
    this.#text = text.replace(/^\ufeff/, "");
  }

  document(): XmlElement | undefined {
    while (this.#at < this.#text.length) {
      if (!this.#next()) return undefined;
    }
    return this.#open.length === 0 ? this.#root : undefined;
  }

  /** Reads one tag or one piece of text; `false` where there is neither. */
  #next(): boolean {
    if (this.#take(IGNORED) !== undefined) return true;
    const text = this.#take(TEXT)?.[0];
    if (text !== undefined) return this.#addText(unescaped(text));
    const literal = this.#take(CDATA)?.[1];
    if (literal !== undefined) return this.#addText(literal);
    const end = this.#take(END)?.[1];
    if (end !== undefined) return this.#end(end);
    const start = this.#take(START);
    return start !== undefined && this.#start(start);
  }

  #take(form: RegExp): RegExpExecArray | undefined {
    form.lastIndex = this.#at;
    const found = form.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at = form.lastIndex;
    return found;
  }

  #addText(text: string | undefined): boolean {
    const open = this.#open.at(-1);
    if (text === undefined) return false;
    // Between and around the elements of a document there is white space at most.
    if (open === undefined) return text.trim() === "";
    open.text += text;
    return true;
  }

  #start([, qualifiedName = "", attributes = "", slash]: RegExpExecArray): boolean {
    this.#elements += 1;
    const isSecondRoot = this.#open.length === 0 && this.#root !== undefined;
    const isLarge = this.#elements > ELEMENTS_MAX || this.#open.length >= DEPTH_MAX;
    const scope = scopeWith(this.#open.at(-1)?.scope ?? new Map(), attributes);
    if (isSecondRoot || isLarge || scope === undefined) return false;
    const [prefix, name] = split(qualifiedName);
    const namespace = scope.get(prefix) ?? (prefix === "" ? "" : undefined);
    if (namespace === undefined) return false;
    this.#open.push({ qualifiedName, namespace, name, children: [], text: "", scope });
    return slash === "/" ? this.#end(qualifiedName) : true;
  }

  #end(qualifiedName: string): boolean {
    const ended = this.#open.pop();
    if (ended === undefined || ended.qualifiedName !== qualifiedName) return false;
    const { namespace, name, children, text, scope } = ended;
    const element: XmlElement = { namespace, name, children, text, scope };
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#root = element;
    else parent.children.push(element);
    return true;
  }
}

/** The namespaces in force behind a tag; `undefined` where its attributes are none. */
function scopeWith(
  outer: ReadonlyMap<string, string>,
  attributes: string,
): ReadonlyMap<string, string> | undefined {
  let scope: Map<string, string> | undefined;
  for (const [, name = "", double, single] of attributes.matchAll(ATTRIBUTE)) {
    if (name !== "xmlns" && !name.startsWith("xmlns:")) continue;
    const value = unescaped(double ?? single ?? "");
    if (value === undefined) return undefined;
    scope ??= new Map(outer);
    scope.set(name === "xmlns" ? "" : name.slice("xmlns:".length), value);
    if (scope.size > SCOPE_MAX) return undefined;
  }
  return scope ?? outer;
}

function split(qualifiedName: string): readonly [prefix: string, name: string] {
  const colon = qualifiedName.indexOf(":");
  return [qualifiedName.slice(0, Math.max(0, colon)), qualifiedName.slice(colon + 1)];
}

const NAMED: ReadonlyMap<string, string> = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
]);

/** Text with what its references stand for; `undefined` where one stands for nothing. */
function unescaped(text: string): string | undefined {
  let isSound = true;
  const plain = text.replace(/&([^;&]{0,8});?/g, (whole, name: string) => {
    const character = whole.endsWith(";") ? (NAMED.get(name) ?? numbered(name)) : undefined;
    if (character === undefined) isSound = false;
    return character ?? "";
  });
  return isSound ? plain : undefined;
}

function numbered(name: string): string | undefined {
  const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name) ?? [];
  const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  const isCharacter = point > 0 && point <= 0x10_ff_ff && !(point >= 0xd8_00 && point <= 0xdf_ff);
  return isCharacter ? String.fromCodePoint(point) : undefined;
}
