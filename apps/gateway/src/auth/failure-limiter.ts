/** Slows down guessing: after some failures within a window the key has to wait until the window has passed. */
export class FailureLimiter {
  private readonly failures = new Map<string, { count: number; since: number }>();

  constructor(
    private readonly limit: number,
    private readonly windowMs: number,
    private readonly maxKeys = 100_000,
  ) {}

  /** @returns seconds to wait, 0 when the key may try now */
  waitSeconds(key: string, now = Date.now()): number {
    const entry = this.failures.get(key);
    if (!entry || now - entry.since >= this.windowMs || entry.count < this.limit) return 0;
    return Math.ceil((entry.since + this.windowMs - now) / 1000);
  }

  failed(key: string, now = Date.now()): void {
    const entry = this.failures.get(key);
    if (entry && now - entry.since < this.windowMs) {
      entry.count += 1;
      return;
    }
    const oldest = this.failures.keys().next();
    if (this.failures.size >= this.maxKeys && !oldest.done) this.failures.delete(oldest.value);
    this.failures.set(key, { count: 1, since: now });
  }

  succeeded(key: string): void {
    this.failures.delete(key);
  }
}
