/** RFC 6266 with an RFC 8187 name: always a download, whatever the sender called the file. */
export function attachmentDisposition(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

/** Types that a browser may be told; everything else is bytes. */
const HARMLESS = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'application/pdf', 'message/rfc822']);

export function servedType(declared: string): string {
  if (declared.startsWith('text/plain')) return 'text/plain; charset=utf-8';
  return HARMLESS.has(declared) ? declared : 'application/octet-stream';
}
