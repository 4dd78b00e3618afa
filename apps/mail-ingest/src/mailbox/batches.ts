/** A mail as the server lists it. */
export interface Listed {
  uid: number;
  /** RFC822.SIZE in bytes: a claim that some servers get wrong. */
  size: number;
}

export interface BatchLimits {
  /** Mails of at most this size are taken together. */
  smallBytes: number;
  /** Mails of one batch. */
  mails: number;
  /** Bytes of one batch. */
  bytes: number;
}

/** Runs of small mails together, each larger one alone, in the order given. */
export function inBatches(listed: Listed[], limits: BatchLimits): Listed[][] {
  const batches: Listed[][] = [];
  let bytes = Infinity;
  for (const mail of listed) {
    const alone = mail.size > limits.smallBytes;
    if (alone || batches.at(-1)?.length === limits.mails || bytes + mail.size > limits.bytes) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)!.push(mail);
    bytes += alone ? Infinity : mail.size;
  }
  return batches;
}
