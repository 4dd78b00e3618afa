/** Real mails that may lie beside the repository, at ../shared/mail. Each is read once. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { fallbackMail } from '../src/fields.js';
import { MailUnreadable, type ParsedMail } from '../src/mail.js';
import { parseMail } from '../src/parse.js';

const SHARED = join(process.cwd(), '..', 'shared', 'mail');
const CORPUS = join(SHARED, 'corpus');
const MAX_SIZE = 3_000_000;
const PATIENCE_MS = 20_000;

/** `describe`, or its like that skips where the corpus is absent. */
export const withCorpus = existsSync(CORPUS) ? describe : describe.skip;

export interface Expectation {
  path: string;
  cls: 'bounce' | 'complaint' | 'auto' | 'human';
  results?: { dsn: string; reason: string; hardbounce: number }[];
}

export function expectations(): Expectation[] {
  return JSON.parse(readFileSync(join(SHARED, 'expected-behaviour.json'), 'utf8')) as Expectation[];
}

/** Paths of all messages below the folder, relative to the corpus. */
export function messages(folder = ''): string[] {
  return readdirSync(join(CORPUS, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.json'))
    .map((entry) => join(entry.parentPath, entry.name).slice(CORPUS.length + 1))
    .filter((path) => {
      const { size } = statSync(join(CORPUS, path));
      return size > 0 && size <= MAX_SIZE;
    });
}

export function bytesOf(path: string): Buffer {
  return readFileSync(join(CORPUS, path));
}

const read = new Map<string, Promise<ParsedMail>>();

/** An unreadable mail as what its headers say. @throws when reading crashes or hangs */
export function readMail(path: string): Promise<ParsedMail> {
  const known = read.get(path) ?? readNow(path);
  read.set(path, known);
  return known;
}

async function readNow(path: string): Promise<ParsedMail> {
  let timer: NodeJS.Timeout | undefined;
  const hangs = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${path} hangs`)), PATIENCE_MS);
  });
  const reading = parseMail(Readable.from([bytesOf(path)]), { onAttachment: hashed }).catch((error: unknown) => {
    if (error instanceof MailUnreadable) return fallbackMail(error.head, error.head.length, error.reason);
    throw error;
  });
  return Promise.race([reading, hangs]).finally(() => clearTimeout(timer));
}

async function hashed(_meta: unknown, content: Readable): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest('hex'), size };
}
