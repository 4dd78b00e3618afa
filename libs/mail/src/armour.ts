/** OpenPGP in the text of a mail itself (RFC 9580 §6.2 and §7), shown for what it is. Nothing is verified. */
export interface ArmouredText {
  kind: 'pgp-signed' | 'pgp-encrypted';
  /** Of a signed text, what was signed, without the armour. */
  text: string;
  /** Nothing but encrypted text is there. */
  unreadable: boolean;
}

const SIGNED = /^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*$/m;
const SIGNATURE = /^-----BEGIN PGP SIGNATURE-----[ \t]*$/m;
const END = /^-----END PGP SIGNATURE-----[ \t]*$/m;
const MESSAGE = /^-----BEGIN PGP MESSAGE-----[ \t]*$/m;
const MESSAGE_END = '-----END PGP MESSAGE-----';

/** @returns null when there is no armour; quoted armour is none */
export function readArmour(text: string): ArmouredText | null {
  if (!text.includes('-----BEGIN PGP ')) return null;
  const message = MESSAGE.exec(text);
  if (message) {
    const end = text.indexOf(MESSAGE_END, message.index);
    const behind = end < 0 ? '' : text.slice(end + MESSAGE_END.length);
    return { kind: 'pgp-encrypted', text, unreadable: `${text.slice(0, message.index)}${behind}`.trim() === '' };
  }
  const signed = SIGNED.exec(text);
  if (!signed) return null;
  const from = signed.index + signed[0].length;
  const signature = SIGNATURE.exec(text.slice(from));
  if (!signature) return null;
  // Hash: … and an empty line stand above what is signed
  const body = text.slice(from, from + signature.index).replace(/^\n(?:[A-Za-z-]{1,40}: [^\n]*\n){0,10}[ \t]*\n/, '');
  const after = text.slice(from + signature.index);
  const end = END.exec(after);
  const behind = end ? after.slice(end.index + end[0].length) : '';
  const unescaped = body.replace(/^- (?=-|From )/gm, '');
  return {
    kind: 'pgp-signed',
    text: `${text.slice(0, signed.index)}${unescaped.trimEnd()}${behind}`.trim(),
    unreadable: false,
  };
}
