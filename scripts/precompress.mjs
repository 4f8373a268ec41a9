// Writes NAME.br and NAME.gz beside a file, so that the server sends stored bytes and compresses nothing.
import { readFile, writeFile } from "node:fs/promises";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

export async function precompress(file) {
  const content = await readFile(file);
  const brotli = brotliCompressSync(content, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
    },
  });
  const gzip = gzipSync(content, { level: constants.Z_BEST_COMPRESSION });
  await writeFile(`${file}.br`, brotli);
  await writeFile(`${file}.gz`, gzip);
  return { brotli: brotli.length, gzip: gzip.length };
}
