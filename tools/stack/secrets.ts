import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

/** Secrets of one data directory: each made up when first asked for and kept in a file that only its owner can read. */
export class Secrets {
  /** True when there was no file yet: whatever else lies in the data directory belongs to secrets that are gone. */
  readonly isNew: boolean;
  private readonly file: string;
  private readonly values: Record<string, string>;

  constructor(file: string) {
    this.file = file;
    this.isNew = !existsSync(file);
    this.values = this.isNew ? {} : (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>);
  }

  /** The secret of that name: 32 URL-safe characters, 192 bits. */
  get(name: string): string {
    const known = this.values[name];
    if (known) return known;
    const made = randomBytes(24).toString('base64url');
    this.values[name] = made;
    writeFileSync(`${this.file}.new`, `${JSON.stringify(this.values, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(`${this.file}.new`, this.file);
    return made;
  }
}
