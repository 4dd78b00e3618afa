/**
 * HTML from strangers, made harmless by allow-list: no script, style sheet, form, frame, object or event handler; no
 * address but http, https, mailto and tel, pictures only from the mail itself. Remote pictures keep their address in
 * `data-remote-src`, for a reader who asks for them. Links open elsewhere and tell nobody where they were.
 */
import sanitizeHtml from 'sanitize-html';

export interface HtmlLimits {
  htmlLength: number;
  htmlDepth: number;
}

export type SanitisedHtml = { html: string } | { html: null; reason: 'html-over-limit' | 'html-too-deep' };

const TAGS =
  'a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr'.split(
    ' ',
  );

/** Properties that can neither load anything nor leave their place. */
const STYLE_PROPERTIES = new Set(
  'background-color border border-bottom border-collapse border-color border-left border-right border-spacing border-style border-top border-width color direction font font-family font-size font-style font-variant font-weight height letter-spacing line-height list-style-type margin margin-bottom margin-left margin-right margin-top max-width min-width padding padding-bottom padding-left padding-right padding-top text-align text-decoration text-indent text-transform vertical-align white-space width word-break word-spacing word-wrap'.split(
    ' ',
  ),
);
/** No escapes, comments, @ or functions but colours. */
const STYLE_VALUE = /^(?:[\w\s#%.,!'"+-]|(?:rgb|rgba|hsl|hsla)\([\d\s.,%/]+\))+$/i;
const MAX_STYLE_LENGTH = 2000;
const MAX_REMOTE_SOURCE = 2000;

const RASTER_DATA = /^data:image\/(?:png|gif|jpe?g|webp|bmp);base64,[a-z0-9+/=\s]*$/i;

type Attributes = Record<string, string>;

const OPTIONS: sanitizeHtml.IOptions = {
  allowedTags: TAGS,
  allowedAttributes: {
    '*': ['style', 'align', 'valign', 'dir', 'lang', 'title', 'bgcolor', 'width', 'height'],
    a: ['href', 'name', 'rel', 'target'],
    img: ['src', 'alt', 'data-remote-src'],
    td: ['colspan', 'rowspan', 'nowrap'],
    th: ['colspan', 'rowspan', 'nowrap'],
    table: ['border', 'cellpadding', 'cellspacing'],
    col: ['span'],
    ol: ['start', 'type'],
    font: ['color', 'face', 'size'],
    blockquote: ['type'],
    time: ['datetime'],
  },
  allowedSchemes: ['http', 'https', 'mailto', 'tel'],
  allowedSchemesByTag: { img: ['cid', 'data'] },
  allowProtocolRelative: false,
  nonTextTags: [
    'script',
    'style',
    'textarea',
    'option',
    'noscript',
    'title',
    'xmp',
    'iframe',
    'noembed',
    'noframes',
    'template',
    'svg',
    'math',
    'object',
  ],
  // styles are filtered below: a full CSS parser costs more than the rest of the mail together
  parseStyleAttributes: false,
  transformTags: {
    a: (tagName, attribs) => ({ tagName, attribs: secureLink(attribs) }),
    img: (tagName, attribs) => ({ tagName, attribs: localImage(attribs) }),
    '*': (tagName, attribs) => ({ tagName, attribs: withSafeStyle(attribs) }),
  },
};

export function sanitiseHtml(html: string, limits: HtmlLimits): SanitisedHtml {
  if (html.length > limits.htmlLength) return { html: null, reason: 'html-over-limit' };
  // the parser's stack costs time by the square of the depth
  if (deeperThan(html, limits.htmlDepth)) return { html: null, reason: 'html-too-deep' };
  return { html: sanitizeHtml(html, OPTIONS).trim() };
}

function secureLink(attribs: Attributes): Attributes {
  const secured: Attributes = { ...attribs };
  delete secured.href;
  delete secured.rel;
  delete secured.target;
  const href = (attribs.href ?? '').trim();
  if (!/^(?:https?|mailto|tel):/i.test(href)) return secured;
  return { ...secured, href, rel: 'nofollow noreferrer noopener', target: '_blank' };
}

function localImage(attribs: Attributes): Attributes {
  const local: Attributes = { ...attribs };
  delete local['data-remote-src'];
  const source = (local.src ?? '').trim();
  if (/^cid:/i.test(source) || RASTER_DATA.test(source)) return local;
  delete local.src;
  if (/^https?:\/\//i.test(source) && source.length <= MAX_REMOTE_SOURCE) local['data-remote-src'] = source;
  return local;
}

function withSafeStyle(attribs: Attributes): Attributes {
  if (attribs.style === undefined) return attribs;
  const style = safeStyle(attribs.style);
  const kept: Attributes = { ...attribs };
  if (style === '') delete kept.style;
  else kept.style = style;
  return kept;
}

function safeStyle(style: string): string {
  return style
    .slice(0, MAX_STYLE_LENGTH)
    .split(';')
    .flatMap((declaration) => {
      const colon = declaration.indexOf(':');
      const property = declaration.slice(0, Math.max(colon, 0)).trim().toLowerCase();
      const value = declaration.slice(colon + 1).trim();
      return STYLE_PROPERTIES.has(property) && STYLE_VALUE.test(value) ? [`${property}:${value}`] : [];
    })
    .join(';');
}

const VOID_ELEMENTS = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '));

/** What the start of an element ends, when it is the innermost open one: rows of such elements do not nest. */
const CELLS = ['td', 'th'];
const ROWS = ['tr', ...CELLS];
const PARAGRAPH = ['p'];
const ENDS = new Map<string, string[]>([
  ['li', ['li']],
  ['dt', ['dt', 'dd']],
  ['dd', ['dt', 'dd']],
  ['td', CELLS],
  ['th', CELLS],
  ['tr', ROWS],
  ['thead', ROWS],
  ['tbody', [...ROWS, 'thead', 'tbody']],
  ['tfoot', [...ROWS, 'thead', 'tbody']],
  ['option', ['option']],
]);
for (const block of 'p div table ul ol dl pre blockquote h1 h2 h3 h4 h5 h6 form hr section article'.split(' ')) {
  ENDS.set(block, PARAGRAPH);
}
const TAG = /<(\/?)([a-z][a-z0-9:-]{0,30})/gi;

/** Whether elements nest deeper than that, in one pass over the tags, as a forgiving parser would nest them. */
export function deeperThan(html: string, limit: number): boolean {
  const stack: string[] = [];
  const open = new Map<string, number>();
  const pop = () => {
    const element = stack.pop()!;
    open.set(element, open.get(element)! - 1);
    return element;
  };
  for (const [, slash, name] of html.matchAll(TAG)) {
    const element = name!.toLowerCase();
    if (VOID_ELEMENTS.has(element)) continue;
    if (slash === '') {
      const ended = ENDS.get(element) ?? [];
      while (stack.length > 0 && ended.includes(stack.at(-1)!)) pop();
      stack.push(element);
      open.set(element, (open.get(element) ?? 0) + 1);
      if (stack.length > limit) return true;
    } else if (open.get(element)) {
      while (pop() !== element);
    }
  }
  return false;
}
