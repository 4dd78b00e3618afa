/**
 * Writes what comes in at the same time together: a consumer takes many events at once, and a commit costs as much for
 * one as for all of them.
 */
interface Waiting<T> {
  item: T;
  settle: (error: unknown) => void;
}

export class GroupCommit<T> {
  private readonly waiting: Waiting<T>[] = [];
  private isWriting = false;

  /** @param write commits all of them or none */
  constructor(private readonly write: (items: T[]) => Promise<unknown>) {}

  /** Resolves when the item is committed. @throws what `write` throws */
  async add(item: T): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ item, settle: (error) => (error === null ? resolve() : reject(error)) });
      void this.writeAll();
    });
  }

  private async writeAll(): Promise<void> {
    if (this.isWriting) return;
    this.isWriting = true;
    while (this.waiting.length > 0) await this.writeBatch(this.waiting.splice(0));
    this.isWriting = false;
  }

  /** Together; or, when that fails, one by one, so that nobody suffers for another. */
  private async writeBatch(batch: Waiting<T>[]): Promise<void> {
    try {
      await this.write(batch.map(({ item }) => item));
      for (const { settle } of batch) settle(null);
    } catch (error) {
      if (batch.length === 1) batch[0]!.settle(error);
      else for (const one of batch) await this.writeBatch([one]);
    }
  }
}
