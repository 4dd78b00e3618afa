/**
 * As much of a CMS message (RFC 5652, in S/MIME by RFC 8551) as is needed to show it: which kind it is, and the content
 * of one that is only signed. Nothing is verified.
 *
 * A walk over BER with definite and indefinite lengths, bounded in depth and steps.
 */
export interface CmsMessage {
  kind: 'signed' | 'encrypted';
  /** The signed content: a MIME entity. Null when it is not in here, or encrypted. */
  content: Buffer | null;
}

const SIGNED_DATA = '2a864886f70d010702';
const ENVELOPED = new Set([
  '2a864886f70d010703', // envelopedData
  '2a864886f70d010706', // encryptedData
  '2a864886f70d0109100117', // authEnvelopedData
]);
const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
const CONSTRUCTED_OCTET_STRING = 0x24;
const EXPLICIT_0 = 0xa0;
const MAX_DEPTH = 16;
const MAX_STEPS = 200_000;

/** @returns null when it is no such message or cannot be read */
export function readCms(bytes: Buffer): CmsMessage | null {
  try {
    return messageIn(new Walk(binary(bytes)));
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

function messageIn(walk: Walk): CmsMessage | null {
  const info = walk.enter(walk.element(0, walk.bytes.length), SEQUENCE);
  const type = walk.next(info);
  const kind = type.tag === OBJECT_IDENTIFIER ? walk.content(type).toString('hex') : '';
  if (ENVELOPED.has(kind)) return { kind: 'encrypted', content: null };
  if (kind !== SIGNED_DATA) return null;
  const signedData = walk.enter(walk.next(walk.enter(walk.next(info), EXPLICIT_0)), SEQUENCE);
  walk.next(signedData); // version
  walk.next(signedData); // digest algorithms
  const encapsulated = walk.enter(walk.next(signedData), SEQUENCE);
  walk.next(encapsulated); // type of the content
  if (walk.atEnd(encapsulated)) return { kind: 'signed', content: null };
  const octets = walk.next(walk.enter(walk.next(encapsulated), EXPLICIT_0));
  return { kind: 'signed', content: Buffer.concat(walk.octets(octets, 0)) };
}

/** Some programs send the base64 text, or PEM, once more encoded. */
function binary(bytes: Buffer): Buffer {
  if (bytes[0] === SEQUENCE) return bytes;
  const text = bytes.subarray(0, 100).toString('latin1').trimStart();
  if (!/^(?:-----BEGIN |MI)/.test(text)) return bytes;
  return Buffer.from(bytes.toString('latin1').replace(/-----[^\n-]{0,80}-----/g, ''), 'base64');
}

class Malformed extends Error {}

interface Element {
  tag: number;
  from: number;
  /** Behind the content; null: up to the end-of-contents octets. */
  to: number | null;
  /** How far the content reaches at most. */
  bound: number;
}

interface Position {
  at: number;
  element: Element;
}

class Walk {
  private steps = 0;

  constructor(readonly bytes: Buffer) {}

  element(at: number, bound: number): Element {
    if (++this.steps > MAX_STEPS || at + 2 > bound) throw new Malformed();
    const tag = this.bytes[at]!;
    const first = this.bytes[at + 1]!;
    if (first === 0x80) return { tag, from: at + 2, to: null, bound };
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    const from = at + 2 + lengthBytes;
    if (lengthBytes > 4 || from > bound) throw new Malformed();
    const length = lengthBytes === 0 ? first : this.bytes.readUIntBE(at + 2, lengthBytes);
    if (from + length > bound) throw new Malformed();
    return { tag, from, to: from + length, bound };
  }

  enter(element: Element, tag: number): Position {
    if (element.tag !== tag) throw new Malformed();
    return { at: element.from, element };
  }

  atEnd({ at, element }: Position): boolean {
    if (element.to !== null) return at >= element.to;
    return this.bytes[at] === 0 && this.bytes[at + 1] === 0;
  }

  /** The element here; the position goes behind it. */
  next(position: Position): Element {
    const element = this.element(position.at, position.element.to ?? position.element.bound);
    position.at = this.end(element, 0);
    return element;
  }

  content({ from, to }: Element): Buffer {
    if (to === null) throw new Malformed();
    return this.bytes.subarray(from, to);
  }

  /** An octet string in one piece or in many. */
  octets(element: Element, depth: number): Buffer[] {
    if (element.tag === OCTET_STRING) return [this.content(element)];
    if (element.tag !== CONSTRUCTED_OCTET_STRING || depth > MAX_DEPTH) throw new Malformed();
    const pieces: Buffer[] = [];
    const position = { at: element.from, element };
    while (!this.atEnd(position)) {
      const piece = this.element(position.at, element.to ?? element.bound);
      for (const octets of this.octets(piece, depth + 1)) pieces.push(octets);
      position.at = this.end(piece, depth);
    }
    return pieces;
  }

  private end(element: Element, depth: number): number {
    if (element.to !== null) return element.to;
    if (depth > MAX_DEPTH) throw new Malformed();
    const position = { at: element.from, element };
    while (!this.atEnd(position)) position.at = this.end(this.element(position.at, element.bound), depth + 1);
    return position.at + 2;
  }
}
