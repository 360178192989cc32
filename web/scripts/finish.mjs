// After a build: compresses what is worth it (the server sends `x.gz` for `x`), and fails if the first load is too large.
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const DIST = new URL("../dist/", import.meta.url).pathname;
/** Script and style of any first page, compressed. */
const FIRST_LOAD_BYTES = 250_000;

const manifest = JSON.parse(readFileSync(join(DIST, ".vite/manifest.json"), "utf8"));
rmSync(join(DIST, ".vite"), { recursive: true });

const sizes = new Map();
for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(js|css|html|svg|json|webmanifest)$/.test(entry.name)) continue;
  const file = join(entry.parentPath, entry.name);
  const packed = gzipSync(readFileSync(file), { level: 9 });
  sizes.set(file.slice(DIST.length), packed.length);
  writeFileSync(`${file}.gz`, packed);
}

/** Every file that a browser loads before the page of chunk `key` stands. */
function filesOf(key, seen = new Set()) {
  const chunk = manifest[key];
  if (seen.has(key)) return [];
  seen.add(key);
  const imported = (chunk.imports ?? []).flatMap((next) => filesOf(next, seen));
  return [chunk.file, ...(chunk.css ?? []), ...imported];
}

const start = filesOf("index.html");
const pages = manifest["index.html"].dynamicImports ?? [];
let largest = { page: "", bytes: 0 };
for (const page of pages) {
  const files = new Set([...start, ...filesOf(page)]);
  const bytes = [...files].reduce((sum, file) => sum + (sizes.get(file) ?? 0), 0);
  if (bytes > largest.bytes) largest = { page, bytes };
}
const shown = `first load: ${(largest.bytes / 1000).toFixed(1)} kB gzip at most (${largest.page})`;
if (largest.bytes > FIRST_LOAD_BYTES) {
  console.error(`${shown}, and ${FIRST_LOAD_BYTES / 1000} kB are allowed`);
  process.exit(1);
}
console.log(shown);
