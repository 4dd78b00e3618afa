/**
 * Secrets of other systems (what opens a mailbox, what signs a webhook), encrypted at rest with AES-256-GCM (NIST SP 800-38D). A sealed text names the key that it was
 * sealed with, so that keys can be replaced, and is bound to its place: copied into another row or column it does not open.
 *
 *     v1.<key id>.<nonce>.<ciphertext and tag>      the parts in base64url
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

interface Key {
  id: string;
  bytes: Buffer;
}

/** Sealed with a key that we do not have, or not what was sealed here. */
export class SecretUnreadable extends Error {
  constructor(variable: string) {
    super(`is sealed with a key that ${variable} does not have: set it again`);
  }
}

export class SecretBox {
  private readonly keys: Key[];

  /**
   * @param variable where the secrets come from, for messages
   * @param secrets `new,old`: the first seals, all open
   * @param purpose keeps the keys apart that are derived from one secret
   */
  constructor(
    private readonly variable: string,
    secrets: string,
    purpose: string,
  ) {
    this.keys = secrets.split(',').map((secret) => keyOf(secret.trim(), purpose));
  }

  /** @param place what the text belongs to, e.g. `password of <row id>` */
  seal(text: string, place: string): string {
    const { id, bytes } = this.keys[0]!;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', bytes, nonce).setAAD(Buffer.from(place));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return ['v1', id, nonce.toString('base64url'), sealed.toString('base64url')].join('.');
  }

  /** @throws SecretUnreadable */
  open(sealed: string, place: string): string {
    const [version, id, nonce = '', text = ''] = sealed.split('.');
    const key = this.keys.find((one) => one.id === id);
    const bytes = Buffer.from(text, 'base64url');
    if (version !== 'v1' || !key || bytes.length < TAG_BYTES) throw new SecretUnreadable(this.variable);
    try {
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, Buffer.from(nonce, 'base64url'))
        .setAAD(Buffer.from(place))
        .setAuthTag(bytes.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString('utf8');
    } catch {
      throw new SecretUnreadable(this.variable);
    }
  }

  /** Whether it was sealed with a key that is to be replaced. */
  isOutdated(sealed: string): boolean {
    return sealed.split('.')[1] !== this.keys[0]!.id;
  }
}

function keyOf(secret: string, purpose: string): Key {
  const derive = (info: string, length: number) => Buffer.from(hkdfSync('sha256', secret, '', info, length));
  return { id: derive(`${purpose}: key id`, 6).toString('base64url'), bytes: derive(`${purpose}: key`, 32) };
}
