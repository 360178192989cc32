/** Finds the offset of a time in a partition, by halving: 17 questions for 100,000 messages. */

interface Placed {
  offset: number;
  timestamp: string;
}

/**
 * The offset of the newest message that is not later than `time`; `null` if all are later.
 * `read` gives the first message from an offset on. Offsets are `start` to before `end`, may have gaps, and follow time.
 */
export async function offsetAt(
  read: (offset: number) => Promise<Placed | null>,
  { start, end }: { start: number; end: number },
  time: number,
): Promise<number | null> {
  let found: number | null = null;
  let [low, high] = [start, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const message = await read(middle);
    if (message === null || message.offset >= high || Date.parse(message.timestamp) > time) high = middle;
    else {
      found = message.offset;
      low = message.offset + 1;
    }
  }
  return found;
}
