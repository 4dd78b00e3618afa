/**
 * HTML to plain text and back.
 *
 * To text for display and search: one pass whose cost grows with the input alone: no tree, no recursion.
 * Blocks become lines, list items get a dash, quotes `> `, links their address behind the words. Scripts, styles and
 * comments are left out.
 */
import { decodeEntities } from './entities.js';

const BREAKS_LINE = new Set(
  'address article aside body center dd div dl dt fieldset figcaption figure footer form header hr html li main nav ol section table tbody tfoot thead tr ul'.split(
    ' ',
  ),
);
const BREAKS_PARAGRAPH = new Set('blockquote h1 h2 h3 h4 h5 h6 p pre'.split(' '));
/** Their content is no text for readers; it ends only at their own end tag. */
const RAW_CONTENT = new Set(
  'script style title textarea iframe noembed noframes noscript xmp template svg math'.split(' '),
);
const END_TAGS = new Map([...RAW_CONTENT].map((name) => [name, new RegExp(`</${name}[\\s/>]`, 'gi')]));
const MAX_QUOTE_LEVEL = 8;

/** @param maxLength the text stops at about this many characters */
export function htmlToText(html: string, maxLength: number): string {
  const writer = new TextWriter(maxLength);
  const raw = new RawContent(html);
  let at = 0;
  // a quote that never closes would swallow the rest: from then on quotes mean nothing
  let quotes = true;
  while (at < html.length && !writer.full) {
    const open = html.indexOf('<', at);
    if (open < 0) break;
    if (open > at) writer.text(html, at, open);
    if (html.startsWith('<!--', open)) {
      const end = html.indexOf('-->', open + 4);
      at = end < 0 ? html.length : end + 3;
      continue;
    }
    const name = tagName(html, open);
    if (name === '') {
      writer.text(html, open, open + 1);
      at = open + 1;
      continue;
    }
    let close = quotes ? endOfTag(html, open + 1) : html.indexOf('>', open + 1);
    if (close < 0 && quotes) {
      quotes = false;
      close = html.indexOf('>', open + 1);
    }
    if (close < 0) {
      at = html.length;
      break;
    }
    at = close + 1;
    if (RAW_CONTENT.has(name)) at = raw.end(name, at, html[close - 1] === '/');
    else writer.tag(name, html, open, close);
  }
  if (at < html.length && !writer.full) writer.text(html, at, html.length);
  return writer.finish();
}

const TAG_NAME = /<(\/?[a-z][a-z0-9:-]{0,30}|[!?])/iy;

/** Lower case, with a slash in front for an end tag; '!' for declarations; '' when the `<` is only a character. */
function tagName(html: string, open: number): string {
  TAG_NAME.lastIndex = open;
  return TAG_NAME.exec(html)?.[1]?.toLowerCase() ?? '';
}

function endOfTag(html: string, from: number): number {
  let quote = 0;
  let afterEquals = false;
  for (let i = from; i < html.length; i++) {
    const code = html.charCodeAt(i);
    if (quote !== 0) {
      if (code === quote) quote = 0;
    } else if (code === 0x3e) {
      return i;
    } else if ((code === 0x22 || code === 0x27) && afterEquals) {
      quote = code;
      afterEquals = false;
    } else if (code === 0x3d) {
      afterEquals = true;
    } else if (code > 0x20) {
      afterEquals = false;
    }
  }
  return -1;
}

class RawContent {
  private readonly unclosed = new Set<string>();

  constructor(private readonly html: string) {}

  /** Where to go on behind the element that began before `from`. */
  end(name: string, from: number, selfClosed: boolean): number {
    const foreign = name === 'svg' || name === 'math';
    // searching for the same missing end tag again and again would cost the square of the length
    if ((foreign && selfClosed) || this.unclosed.has(name)) return from;
    const end = END_TAGS.get(name)!;
    end.lastIndex = from;
    const match = end.exec(this.html);
    const close = match ? this.html.indexOf('>', match.index) : -1;
    if (close >= 0) return close + 1;
    this.unclosed.add(name);
    return name === 'script' || name === 'style' ? this.html.length : from;
  }
}

class TextWriter {
  private readonly pieces: string[] = [];
  private length = 0;
  /** Line ends owed before the next word: 1 a new line, 2 an empty line between. */
  private breaks = 0;
  private blank = false;
  private startOfLine = true;
  private preformatted = 0;
  private quoteLevel = 0;
  private item = '';
  private link: { href: string; from: number } | null = null;

  constructor(private readonly maxLength: number) {}

  get full(): boolean {
    return this.length >= this.maxLength;
  }

  text(html: string, from: number, to: number): void {
    const raw = html.slice(from, Math.min(to, from + 8 * (this.maxLength - this.length) + 64));
    const text = raw.includes('&') ? decodeEntities(raw) : raw;
    if (this.preformatted > 0) return this.preformattedText(text);
    for (const match of text.matchAll(/([ \t\r\n\f\u00a0]+)|([^ \t\r\n\f\u00a0]+)/g)) {
      if (match[2] === undefined) this.blank = true;
      else this.word(match[2]);
      if (this.full) return;
    }
  }

  private preformattedText(text: string): void {
    for (const [index, line] of text.replace(/\r\n?/g, '\n').split('\n').entries()) {
      if (index > 0) this.newLine();
      if (line !== '') {
        this.blank = false;
        this.word(line);
      }
      if (this.full) return;
    }
  }

  tag(name: string, html: string, open: number, close: number): void {
    switch (name) {
      case 'br':
        return this.newLine();
      case 'hr':
        this.owe(1);
        this.word('---');
        return this.owe(1);
      case 'li':
        this.owe(1);
        this.item = '- ';
        return;
      case 'td':
      case 'th':
        this.blank = true;
        return;
      case 'img':
        return this.image(html.slice(open, close));
      case 'a':
        this.endLink();
        this.link = { href: attribute(html.slice(open, close), 'href'), from: this.pieces.length };
        return;
      case '/a':
        return this.endLink();
      case 'pre':
        this.preformatted++;
        break;
      case '/pre':
        this.preformatted = Math.max(0, this.preformatted - 1);
        break;
      case 'blockquote':
        this.owe(2);
        this.quoteLevel++;
        return;
      case '/blockquote':
        this.owe(2);
        this.quoteLevel = Math.max(0, this.quoteLevel - 1);
        return;
    }
    const element = name.startsWith('/') ? name.slice(1) : name;
    if (BREAKS_PARAGRAPH.has(element)) this.owe(2);
    else if (BREAKS_LINE.has(element)) this.owe(1);
  }

  private image(tag: string): void {
    const alt = attribute(tag, 'alt').trim();
    if (alt !== '') this.word(`[${alt}]`);
  }

  /** The address behind the words, unless they are the address. */
  private endLink(): void {
    const link = this.link;
    this.link = null;
    if (!link || !/^(?:https?:|mailto:)/i.test(link.href)) return;
    const href = link.href.replace(/^mailto:/i, '');
    const words = this.pieces.slice(link.from).join('').trim();
    if (words === '' || words.includes(href) || href.replace(/^https?:\/\//i, '').replace(/\/$/, '') === words) return;
    this.blank = true;
    this.word(`<${href}>`);
  }

  private owe(breaks: number): void {
    this.breaks = Math.max(this.breaks, breaks);
  }

  /** A line end that is wanted, not only owed: several make empty lines. */
  private newLine(): void {
    if (this.length > 0) this.breaks = Math.min(this.breaks + 1, 3);
  }

  private word(word: string): void {
    if (this.breaks > 0 && this.length > 0) {
      const prefix = this.prefix();
      // the empty line between two blocks of one quote belongs to the quote
      this.write(`\n${prefix.trimEnd()}`.repeat(this.breaks - 1) + `\n${prefix}`);
      this.startOfLine = true;
    } else if (this.length === 0) {
      this.write(this.prefix());
    }
    if (this.item !== '') {
      this.write(this.item);
      this.item = '';
    } else if (this.blank && !this.startOfLine) {
      this.write(' ');
    }
    this.breaks = 0;
    this.blank = false;
    this.startOfLine = false;
    this.write(word);
  }

  private prefix(): string {
    return this.quoteLevel === 0 ? '' : `${'>'.repeat(Math.min(this.quoteLevel, MAX_QUOTE_LEVEL))} `;
  }

  private write(piece: string): void {
    this.pieces.push(piece);
    this.length += piece.length;
  }

  finish(): string {
    this.endLink();
    return this.pieces.join('').slice(0, this.maxLength);
  }
}

function attribute(tag: string, name: string): string {
  const match = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(tag.slice(0, 4096));
  return match ? decodeEntities(match[1] ?? match[2] ?? match[3] ?? '').trim() : '';
}

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

/** Paragraphs, line breaks and links of a plain text; everything else escaped. */
export function textToHtml(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .split(/\n{2,}/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => `<p>${paragraph.trim().split('\n').map(withLinks).join('<br>\n')}</p>`)
    .join('\n');
}

function withLinks(line: string): string {
  return line
    .split(/(\bhttps?:\/\/[^\s<>"'`]+)/i)
    .map((piece, index) => {
      if (index % 2 === 0) return escapeHtml(piece);
      const url = /^[^\s]*[^\s.,;:!?)\]]/.exec(piece)?.[0] ?? piece;
      return `<a href="${escapeHtml(url)}">${escapeHtml(url)}</a>${escapeHtml(piece.slice(url.length))}`;
    })
    .join('');
}
