/** How bytes that strangers sent us are handed out: as a file to keep, never as a page of ours. */

/** Types that no browser runs. Everything else goes out as mere bytes. */
const HARMLESS_TYPES = ['application/pdf', 'image/gif', 'image/jpeg', 'image/png', 'message/rfc822', 'text/plain'];

export function downloadHeaders(file: { name: string; type: string; size: number }): Record<string, string> {
  return {
    'content-type': harmlessType(file.type),
    'content-length': String(file.size),
    'content-disposition': contentDisposition(file.name),
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
  };
}

export function harmlessType(type: string): string {
  const essence = type.split(';', 1)[0]!.trim().toLowerCase();
  return HARMLESS_TYPES.includes(essence) ? essence : 'application/octet-stream';
}

/** RFC 6266: an ASCII name for everybody, and the real one (RFC 8187) where it differs. */
export function contentDisposition(name: string): string {
  const safe = safeName(name);
  const ascii = safe.replaceAll(/[^\x20-\x7e]|["\\%]/gu, '_');
  const plain = `attachment; filename="${ascii}"`;
  return ascii === safe ? plain : `${plain}; filename*=UTF-8''${percentEncoded(safe)}`;
}

/** The last part of a path, without anything that is invisible, steers a terminal or hides the file. */
function safeName(name: string): string {
  const last = name.toWellFormed().split(/[/\\]/).at(-1)!;
  const visible = last.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').replace(/^[.\s]+/, '');
  return [...visible.trim()].slice(0, 200).join('') || 'file';
}

/** RFC 8187's attr-char stays as it is. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
}
