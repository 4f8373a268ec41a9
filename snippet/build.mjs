// Bundles src/main.ts into the one file a site loads: dist/datalab.js, with .br and .gz beside it.
import { mkdir, readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { precompress } from "../scripts/precompress.mjs";

const root = fileURLToPath(new URL(".", import.meta.url));
const file = `${root}dist/datalab.js`;
await rm(`${root}dist`, { recursive: true, force: true });
await mkdir(`${root}dist`);
await build({
  absWorkingDir: root,
  entryPoints: ["src/main.ts"],
  outfile: file,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2018",
  legalComments: "none",
  logLevel: "warning",
});
const { brotli, gzip } = await precompress(file);
const { length } = await readFile(file);
console.log(`snippet/dist/datalab.js: ${length} bytes, ${brotli} brotli, ${gzip} gzip`);
