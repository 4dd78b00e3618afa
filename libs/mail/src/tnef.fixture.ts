/** Writes winmail.dat for the specs: just enough of TNEF. */
export interface FixtureFile {
  title?: string;
  longName?: string;
  type?: string;
  contentId?: string;
  data?: Buffer;
  /** An embedded message. */
  message?: Buffer;
}

export interface FixtureMessage {
  messageClass?: string;
  body?: string;
  html?: string;
  rtf?: Buffer;
  subject?: string;
  start?: Date;
  end?: Date;
  uid?: Buffer;
  sender?: [name: string, address: string];
  files?: FixtureFile[];
}

const EMBEDDED = Buffer.from('0703020000000000c000000000000046', 'hex');
const MEETING = Buffer.from('90dad86e0b451b1098da00aa003f1305', 'hex');

export function tnef(message: FixtureMessage): Buffer {
  const properties = [
    ...text(0x0037, message.subject),
    ...text(0x1000, message.body),
    ...text(0x0042, message.sender?.[0]),
    ...text(0x5d02, message.sender?.[1]),
    ...time(0x0060, message.start),
    ...time(0x0061, message.end),
    ...(message.html ? [property(0x0102, 0x1013, sized(Buffer.from(message.html)))] : []),
    ...(message.html ? [property(0x0003, 0x3fde, uint32(65001))] : []),
    ...(message.rtf ? [property(0x0102, 0x1009, sized(message.rtf))] : []),
    ...(message.uid ? [named(0x0102, MEETING, 3, sized(message.uid))] : []),
  ];
  return Buffer.concat([
    uint32(0x223e9f78),
    uint16(1),
    attribute(1, 0x00069007, Buffer.concat([uint32(1252), uint32(0)])),
    ...(message.messageClass ? [attribute(1, 0x00078008, Buffer.from(`${message.messageClass}\0`))] : []),
    attribute(1, 0x00069003, Buffer.concat([uint32(properties.length), ...properties])),
    ...(message.files ?? []).map(attachment),
  ]);
}

function attachment({ title, longName, type, contentId, data, message }: FixtureFile): Buffer {
  const properties = [
    ...text(0x3707, longName),
    ...text(0x370e, type),
    ...text(0x3712, contentId),
    ...(message ? [property(0x000d, 0x3701, sized(Buffer.concat([EMBEDDED, message])))] : []),
  ];
  return Buffer.concat([
    attribute(2, 0x00069002, Buffer.alloc(14)),
    ...(title ? [attribute(2, 0x00018010, Buffer.from(`${title}\0`, 'latin1'))] : []),
    ...(data ? [attribute(2, 0x0006800f, data)] : []),
    attribute(2, 0x00069005, Buffer.concat([uint32(properties.length), ...properties])),
  ]);
}

export function attribute(level: number, tag: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([level]), uint32(tag), uint32(data.length), data, uint16(0)]);
}

function property(type: number, id: number, value: Buffer): Buffer {
  return Buffer.concat([uint16(type), uint16(id), value]);
}

function named(type: number, set: Buffer, id: number, value: Buffer): Buffer {
  return Buffer.concat([uint16(type), uint16(0x8001), set, uint32(0), uint32(id), value]);
}

function text(id: number, value: string | undefined): Buffer[] {
  return value === undefined ? [] : [property(0x001f, id, sized(Buffer.from(`${value}\0`, 'utf16le')))];
}

function time(id: number, value: Date | undefined): Buffer[] {
  if (!value) return [];
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE((BigInt(value.getTime()) + 11_644_473_600_000n) * 10_000n);
  return [property(0x0040, id, bytes)];
}

function sized(value: Buffer): Buffer {
  return Buffer.concat([uint32(1), uint32(value.length), value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

/** Rich text in the frame of [MS-OXRTFCP], not compressed. */
export function framedRtf(rtf: string): Buffer {
  const bytes = Buffer.from(rtf, 'latin1');
  return Buffer.concat([uint32(bytes.length + 12), uint32(bytes.length), Buffer.from('MELA'), uint32(0), bytes]);
}
