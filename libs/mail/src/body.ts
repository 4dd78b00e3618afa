/**
 * From the MIME tree to one text and one HTML: of alternatives the best of each kind, of everything else all parts in
 * their order (a mail may go text, picture, text).
 */
import { cleanText, cutText, decodeBytes } from './charset.js';
import { htmlToText, textToHtml } from './html-text.js';
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

export interface BodyNode {
  /** Lower case; of a leaf, what its part is. */
  contentType: string;
  part: TextPart | null;
  children: BodyNode[];
}

export interface Body {
  text: string;
  html: string | null;
  textTruncated: boolean;
  warnings: MailWarning[];
}

/** Null text: none of its own, to be made from the HTML. */
interface Reading {
  text: string | null;
  html: string | null;
}

/** Up to this long a text part may be a mere "your program cannot show HTML". */
const STUB_LENGTH = 120;

export function readBody(root: BodyNode, limits: MailLimits): Body {
  const warnings: MailWarning[] = [];
  const { text: plain, html } = read(root, limits, warnings);
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

function read(node: BodyNode, limits: MailLimits, warnings: MailWarning[]): Reading {
  if (node.part) return readPart(node.part, warnings);
  const readings = node.children.map((child) => read(child, limits, warnings));
  const given = readings.filter(({ text, html }) => text !== null || html !== null);
  if (given.length <= 1) return given[0] ?? { text: null, html: null };
  if (node.contentType === 'multipart/alternative') {
    return {
      text: given.find(({ text }) => text !== null && text.trim() !== '')?.text ?? null,
      html: given.findLast(({ html }) => html !== null)?.html ?? null,
    };
  }
  const someHtml = given.some(({ html }) => html !== null);
  const someText = given.some(({ text }) => text !== null);
  return {
    text: someText ? given.map(({ text, html }) => text ?? htmlToText(html!, limits.textLength + 1)).join('\n') : null,
    html: someHtml ? given.map(({ text, html }) => html ?? textToHtml(text!)).join('\n') : null,
  };
}

function readPart(part: TextPart, warnings: MailWarning[]): Reading {
  const { text, guessed } = decodeBytes(part.bytes, part.charset);
  if (guessed && !warnings.includes('charset-guessed')) warnings.push('charset-guessed');
  if (part.kind === 'html') return { text: null, html: text };
  return { text: part.flowed ? unflow(cleanText(text), part.deleteSpace) : text, html: null };
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
