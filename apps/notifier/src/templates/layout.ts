/** A letter as data, and its two renderings: the same words as plain text and as HTML. */
import { escapeHtml, REPLY_MARKER, textToHtml } from '#mail';

export type Block =
  | { paragraph: string }
  /** Somebody's own words, line by line as they wrote them. */
  | { message: string }
  | { list: string[] }
  | { facts: readonly (readonly [label: string, value: string])[] };

export interface Letter {
  blocks: Block[];
  /** Small print below the signature line. */
  footer: string[];
}

const SIGNATURE = '-- '; // RFC 3676, 4.3: what follows is cut off when somebody replies

export function asText({ blocks, footer }: Letter): string {
  return [REPLY_MARKER, ...blocks.map(blockAsText), [SIGNATURE, ...footer].join('\n')].join('\n\n') + '\n';
}

function blockAsText(block: Block): string {
  if ('paragraph' in block) return block.paragraph;
  if ('message' in block) return block.message;
  if ('list' in block) return block.list.map((item) => `- ${item}`).join('\n');
  return block.facts.map(([label, value]) => `${label}: ${value}`).join('\n');
}

const STYLE = {
  body: 'margin:0;padding:16px;font:15px/1.5 system-ui,-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;color:#1f2328',
  frame: 'max-width:640px',
  quiet: 'color:#656d76;font-size:13px',
  message: 'margin:16px 0;padding:8px 16px;border-left:3px solid #d0d7de',
  label: 'padding:2px 16px 2px 0;color:#656d76;vertical-align:top',
  value: 'padding:2px 0;vertical-align:top',
} as const;

export function asHtml({ blocks, footer }: Letter): string {
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"></head>',
    `<body style="${STYLE.body}"><div style="${STYLE.frame}">`,
    `<p style="${STYLE.quiet}">${escapeHtml(REPLY_MARKER)}</p>`,
    ...blocks.map(blockAsHtml),
    `<p style="${STYLE.quiet}">${footer.map(escapeHtml).join('<br>')}</p>`,
    '</div></body></html>',
    '',
  ].join('\n');
}

function blockAsHtml(block: Block): string {
  if ('paragraph' in block) return textToHtml(block.paragraph);
  if ('message' in block) return `<div style="${STYLE.message}">${textToHtml(block.message)}</div>`;
  if ('list' in block) return `<ul>${block.list.map((item) => `<li>${escapeHtml(item)}</li>`).join('')}</ul>`;
  const row = ([label, value]: readonly [string, string]) =>
    `<tr><td style="${STYLE.label}">${escapeHtml(label)}</td><td style="${STYLE.value}">${escapeHtml(value)}</td></tr>`;
  return `<table role="presentation" cellspacing="0" cellpadding="0">${block.facts.map(row).join('')}</table>`;
}
