export interface LoginLimits {
  /** So many failed attempts within the window… */
  failures: number;
  /** …which begins with the first of them, in milliseconds. */
  windowMs: number;
  /** Keys held in memory; the oldest are forgotten first. */
  capacity: number;
}

interface Window {
  attempts: number;
  /** Milliseconds since 1970. */
  endsAt: number;
}

/**
 * Slows the guessing of passwords down. An attempt counts from its beginning, so that many at once gain nothing;
 * success forgets the earlier failures. Counts per process.
 */
export class LoginLimiter {
  private readonly windows = new Map<string, Window>();

  constructor(
    private readonly limits: LoginLimits = { failures: 10, windowMs: 5 * 60_000, capacity: 10_000 },
    private readonly now: () => number = Date.now,
  ) {}

  /** Begins an attempt. @returns seconds to wait when it must not be made, else 0 */
  begin(key: string): number {
    const window = this.openWindow(key);
    if (window.attempts >= this.limits.failures) return Math.ceil((window.endsAt - this.now()) / 1000);
    window.attempts += 1;
    return 0;
  }

  succeeded(key: string): void {
    this.windows.delete(key);
  }

  /** The attempt came to no decision: it does not count. */
  undecided(key: string): void {
    const window = this.windows.get(key);
    if (window) window.attempts -= 1;
  }

  private openWindow(key: string): Window {
    const present = this.windows.get(key);
    if (present && present.endsAt > this.now()) return present;
    const window = { attempts: 0, endsAt: this.now() + this.limits.windowMs };
    this.windows.delete(key); // so that it moves to the end of the order
    this.windows.set(key, window);
    if (this.windows.size > this.limits.capacity) this.windows.delete(this.windows.keys().next().value!);
    return window;
  }
}
