/**
 * From the MIME tree to one text and one HTML: of alternatives the best of each kind, of everything else all parts in
 * their order (a mail may go text, picture, text).
 */
import { cleanText, cutText, decodeBytes } from './charset.js';
import { escapeHtml, htmlToText, textToHtml } from './html-text.js';
import type { MailLimits, MailWarning } from './mail.js';
import { sanitiseHtml } from './sanitise.js';

/** A text part as it came, after transfer decoding. */
export interface TextPart {
  kind: 'plain' | 'html';
  bytes: Buffer;
  charset: string | null;
  /** format=flowed (RFC 3676) */
  flowed: boolean;
  deleteSpace: boolean;
}

/** A picture that may have its place in the text. */
export interface InlineImage {
  /** Without angle brackets; one of our making when the mail gives none. */
  contentId: string;
  name: string;
  /** Content-Location (RFC 2557) */
  location: string | null;
}

export interface BodyNode {
  /** Lower case; of a leaf, what its part is. */
  contentType: string;
  part: TextPart | null;
  image: InlineImage | null;
  children: BodyNode[];
}

export interface Body {
  text: string;
  html: string | null;
  textTruncated: boolean;
  warnings: MailWarning[];
}

/** Null text: none of its own, to be made from the HTML. An image is itself no text. */
interface Reading {
  text: string | null;
  html: string | null;
  image: InlineImage | null;
  /** The HTML is nothing but a text with pictures in it. */
  madeHtml: boolean;
}

const NOTHING: Reading = { text: null, html: null, image: null, madeHtml: false };

/** Up to this long a text part may be a mere "your program cannot show HTML". */
const STUB_LENGTH = 120;
/** Pictures put into one text. */
const MAX_PLACED = 50;

export function readBody(root: BodyNode, limits: MailLimits): Body {
  const warnings: MailWarning[] = [];
  const read = readNode(root, limits, warnings);
  const plain = read.text;
  const html = read.html === null ? null : withContentIds(read.html, imagesIn(root));
  const text = cleanText(textOf(plain, html, limits));
  const cut = cutText(text, limits.textLength);
  const body: Body = { text: cut.text, html: null, textTruncated: cut.truncated, warnings };
  if (html === null) return body;
  const sanitised = sanitiseHtml(cleanText(html), limits);
  if (sanitised.html === null) warnings.push(sanitised.reason);
  else if (/<img\b/.test(sanitised.html) || sanitised.html.replace(/<[^>]*>/g, '').trim() !== '')
    body.html = sanitised.html;
  return body;
}

function textOf(plain: string | null, html: string | null, limits: MailLimits): string {
  const trimmed = plain?.trim() ?? '';
  if (html === null || trimmed.length > STUB_LENGTH) return plain ?? '';
  const fromHtml = htmlToText(html, limits.textLength + 1);
  const isStub = trimmed === '' || (/\bhtml\b/i.test(trimmed) && fromHtml.length > 2 * trimmed.length);
  return isStub ? fromHtml : plain!;
}

function readNode(node: BodyNode, limits: MailLimits, warnings: MailWarning[]): Reading {
  if (node.part) return readPart(node.part, warnings);
  if (node.image) return { ...NOTHING, image: node.image };
  const readings = node.children.map((child) => readNode(child, limits, warnings));
  if (node.contentType === 'multipart/alternative') return best(readings.filter(isText), limits);
  const inOrder = node.contentType === 'multipart/related' ? readings : withImages(readings);
  return joined(inOrder.filter(isText), limits);
}

function isText({ text, html }: Reading): boolean {
  return text !== null || html !== null;
}

/** Of alternatives the first text and the last HTML, but no HTML that shows less than the text. */
function best(readings: Reading[], limits: MailLimits): Reading {
  const text = readings.find((reading) => reading.text !== null && reading.text.trim() !== '')?.text ?? null;
  const written = readings.filter((reading) => reading.html !== null && !reading.madeHtml);
  const htmls = (written.length > 0 ? written : readings).flatMap((reading) => reading.html ?? []);
  const html = htmls.length > 1 ? withoutLoss(htmls, limits) : (htmls[0] ?? null);
  if (html !== null && text !== null && !hasWords(html)) return { ...NOTHING, text };
  return { ...NOTHING, text, html };
}

/** The last alternative is the best one, unless it is only something that was added, as a signature is. */
function withoutLoss(htmls: string[], limits: MailLimits): string {
  const last = htmls.at(-1)!;
  const lengths = htmls.map((html) => htmlToText(html, limits.textLength).length);
  const longest = lengths.indexOf(Math.max(...lengths));
  return lengths.at(-1)! * 2 >= lengths[longest]! ? last : `${htmls[longest]}\n${last}`;
}

/** Any letter or digit to read, the names of pictures not counted. */
function hasWords(html: string): boolean {
  return /[\p{L}\p{N}]/u.test(htmlToText(html.replace(/<img\b[^<>]*>/gi, ''), 100));
}

/** Pictures between texts get their place in them; those behind the last text, or shown by the HTML itself, do not. */
function withImages(readings: Reading[]): Reading[] {
  const last = readings.findLastIndex(({ text, html }) => (html ?? text ?? '').trim() !== '');
  let images = 0;
  return readings.map((reading, index) => {
    const { image } = reading;
    if (
      !image ||
      index > last ||
      ++images > MAX_PLACED ||
      readings.some(({ html }) => html !== null && shows(html, image))
    )
      return reading;
    const { contentId, name } = image;
    const html = `<p><img src="cid:${escapeHtml(encodeURI(contentId))}" alt="${escapeHtml(name)}"></p>`;
    return { text: `[${name}]`, html, image, madeHtml: true };
  });
}

function shows(html: string, { contentId, name, location }: InlineImage): boolean {
  return [`cid:${contentId}`, `"${name}"`, ...(location ? [`"${location}"`] : [])].some((source) =>
    html.includes(source),
  );
}

function joined(given: Reading[], limits: MailLimits): Reading {
  if (given.length <= 1) return given[0] ?? NOTHING;
  const someHtml = given.some(({ html }) => html !== null);
  const someText = given.some(({ text }) => text !== null);
  return {
    text: someText ? given.map(({ text, html }) => text ?? htmlToText(html!, limits.textLength + 1)).join('\n') : null,
    html: someHtml ? given.map(({ text, html }) => html ?? textToHtml(text!)).join('\n') : null,
    image: null,
    madeHtml: given.every(({ html, madeHtml }) => html === null || madeHtml),
  };
}

function imagesIn(node: BodyNode): InlineImage[] {
  return node.image ? [node.image] : node.children.flatMap(imagesIn);
}

const IMAGE_SOURCE = /(<img\b[^<>]{0,2000}?\ssrc\s{0,9}=\s{0,9})(?:"([^"<>]{1,500})"|'([^'<>]{1,500})')/gi;

/** Pictures that the HTML names by their file or location, as some programs do, get their `cid:` address. */
function withContentIds(html: string, images: InlineImage[]): string {
  if (images.length === 0) return html;
  const ids = new Map<string, string>();
  for (const { contentId, name, location } of images) {
    for (const key of [name, location]) if (key !== null && !ids.has(key)) ids.set(key, contentId);
  }
  return html.replace(IMAGE_SOURCE, (whole, start: string, double?: string, single?: string) => {
    const contentId = ids.get((double ?? single ?? '').trim());
    return contentId === undefined ? whole : `${start}"cid:${escapeHtml(encodeURI(contentId))}"`;
  });
}

function readPart(part: TextPart, warnings: MailWarning[]): Reading {
  const { text, guessed } = decodeBytes(part.bytes, part.charset);
  if (guessed && !warnings.includes('charset-guessed')) warnings.push('charset-guessed');
  if (part.kind === 'html') return { ...NOTHING, html: text };
  return { ...NOTHING, text: part.flowed ? unflow(cleanText(text), part.deleteSpace) : text };
}

/** Joins the soft line breaks of format=flowed (RFC 3676 §4). */
function unflow(text: string, deleteSpace: boolean): string {
  const lines: string[] = [];
  let open: { quotes: string; pieces: string[] } | null = null;
  const finish = () => {
    if (open) lines.push(open.pieces.join(''));
    open = null;
  };
  for (const line of text.split('\n')) {
    const quotes: string = /^>*/.exec(line)![0];
    const rest = line.slice(quotes.length);
    const content = rest.startsWith(' ') ? rest.slice(1) : rest;
    const soft = content.endsWith(' ') && content !== '-- ';
    if (open && (open as { quotes: string }).quotes !== quotes) finish();
    if (content === '-- ') finish();
    const current: { quotes: string; pieces: string[] } = open ?? {
      quotes,
      pieces: quotes === '' ? [] : [`${quotes} `],
    };
    current.pieces.push(soft && deleteSpace ? content.slice(0, -1) : content);
    open = current;
    if (!soft) finish();
  }
  finish();
  return lines.join('\n');
}
