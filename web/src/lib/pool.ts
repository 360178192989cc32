/** Runs `work` on each item, `width` at a time, until all are done or `signal` says stop. `work` must not throw. */
export async function eachOf<T>(
  items: Iterable<T>,
  width: number,
  work: (item: T) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      if (signal?.aborted === true) return;
      await work(next.value);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}
