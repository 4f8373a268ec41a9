// Bundles src/app.ts and styles/app.css and copies static/, all under names that carry a hash of the content:
// dist/manifest.json maps the plain names to them. What compresses gets .br and .gz beside it.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, extname, parse } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { precompress } from "../scripts/precompress.mjs";

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = `${root}dist`;
const entries = ["src/app.ts", "styles/app.css"];
const compressible = new Set([".css", ".js", ".json", ".svg", ".txt", ".webmanifest"]);

await rm(dist, { recursive: true, force: true });
await mkdir(dist);
const manifest = {};

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: entries.filter((entry) => existsSync(root + entry)),
  outdir: dist,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".svg": "file", ".woff2": "file", ".png": "file" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
});
for (const [output, { entryPoint, inputs }] of Object.entries(metafile.outputs)) {
  const source = entryPoint ?? Object.keys(inputs)[0];
  manifest[parse(source).name + extname(output)] = basename(output);
}

const statics = existsSync(`${root}static`) ? await readdir(`${root}static`, { withFileTypes: true }) : [];
for (const entry of statics.filter((found) => found.isFile() && !found.name.startsWith("."))) {
  const content = await readFile(`${root}static/${entry.name}`);
  const { name, ext } = parse(entry.name);
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8);
  manifest[entry.name] = `${name}-${hash}${ext}`;
  await writeFile(`${dist}/${manifest[entry.name]}`, content);
}

for (const file of Object.values(manifest)) {
  const { length } = await readFile(`${dist}/${file}`);
  const sizes = compressible.has(extname(file)) ? await precompress(`${dist}/${file}`) : {};
  console.log(`web/dist/${file}: ${length} bytes${sizes.brotli ? `, ${sizes.brotli} brotli` : ""}`);
}
await writeFile(`${dist}/manifest.json`, `${JSON.stringify(manifest, Object.keys(manifest).sort(), 2)}\n`);
