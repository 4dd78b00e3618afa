import { hash } from 'node:crypto';
import type { Caller } from './auth.dto.js';

interface Known {
  caller: Caller;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** Tokens whose signature has been checked, the least recently used forgotten first. Holds hashes, never tokens. */
export class TokenCache {
  private readonly known = new Map<string, Known>();

  constructor(
    private readonly capacity = 10_000,
    private readonly now: () => number = Date.now,
  ) {}

  get(token: string): Caller | undefined {
    const key = keyOf(token);
    const entry = this.known.get(key);
    if (!entry) return undefined;
    this.known.delete(key);
    if (entry.expiresAt <= this.now()) return undefined;
    this.known.set(key, entry); // now the most recently used
    return entry.caller;
  }

  add(token: string, caller: Caller, expiresAt: number): void {
    this.known.set(keyOf(token), { caller, expiresAt });
    if (this.known.size > this.capacity) this.known.delete(this.known.keys().next().value!);
  }
}

function keyOf(token: string): string {
  return hash('sha256', token, 'base64');
}
