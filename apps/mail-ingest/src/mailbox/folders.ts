/**
 * Folders of a server by the names in our settings: levels are separated by `/` there, whatever the server's delimiter
 * and the prefix of its namespace are (RFC 2342). `\Junk` and the like name a folder by its special use (RFC 6154),
 * however it is called in the language of the account.
 */
import type { ImapFlow } from 'imapflow';

type Listing = Awaited<ReturnType<ImapFlow['list']>>;

export class Folders {
  private listing: Listing | null = null;

  constructor(private readonly client: Pick<ImapFlow, 'list' | 'mailboxCreate' | 'namespace'>) {}

  async list(): Promise<Listing> {
    this.listing ??= await this.client.list();
    return this.listing;
  }

  /** @returns the path of a folder that is there, or null */
  async find(name: string): Promise<string | null> {
    if (name.toUpperCase() === 'INBOX') return 'INBOX';
    const folders = await this.list();
    const found = name.startsWith('\\')
      ? folders.find(({ specialUse }) => specialUse?.toLowerCase() === name.toLowerCase())
      : folders.find(({ path }) => this.pathsOf(name).includes(path));
    return found?.path ?? null;
  }

  /**
   * @returns the folder's path; it is made when it is missing. Null when nothing has that special use
   * @throws Error when the server does not let us make it
   */
  async findOrMake(name: string): Promise<string | null> {
    const found = await this.find(name);
    if (found !== null || name.startsWith('\\')) return found;
    const { path } = await this.client.mailboxCreate(levelsOf(name));
    this.listing = null;
    return path;
  }

  /** As it is written here; below the namespace's prefix; and as it is written there. */
  private pathsOf(name: string): string[] {
    const { prefix, delimiter } = this.client.namespace || {};
    const path = levelsOf(name).join(delimiter || '/');
    return [`${prefix || ''}${path}`, path, name];
  }
}

function levelsOf(name: string): string[] {
  return name.split('/').filter((level) => level !== '');
}
