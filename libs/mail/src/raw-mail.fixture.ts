/** Raw mails for the specs, as they come over the wire. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { parseMail, type AttachmentMeta, type ParseOptions } from './parse.js';
import type { MailLimits, ParsedMail } from './mail.js';

/** Lines with CRLF between; bytes beyond ASCII as latin1 characters. */
export function rawMail(...lines: string[]): Buffer {
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

/** Text as the bytes that UTF-8 has for it, one character each. */
export function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export interface Taken {
  mail: ParsedMail;
  contents: Map<string, Buffer>;
  metas: AttachmentMeta[];
}

/** Parses and keeps the attachments, by sha256. */
export async function take(source: Buffer | Readable, limits?: Partial<MailLimits>): Promise<Taken> {
  const contents = new Map<string, Buffer>();
  const metas: AttachmentMeta[] = [];
  const onAttachment: ParseOptions['onAttachment'] = async (meta, content) => {
    const chunks: Buffer[] = [];
    for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    contents.set(sha256, bytes);
    metas.push(meta);
    return { sha256, size: bytes.length };
  };
  const stream = Buffer.isBuffer(source) ? Readable.from([source]) : source;
  return { mail: await parseMail(stream, { onAttachment, limits }), contents, metas };
}

export async function parse(...lines: string[]): Promise<ParsedMail> {
  return (await take(rawMail(...lines))).mail;
}
