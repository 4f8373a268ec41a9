// Copies the country database and the licence of its data: dist/countries.mmdb and dist/NRO_LICENSE.
import { copyFile, mkdir, rm, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL(".", import.meta.url));
const source = `${root}node_modules/@ip-location-db/geo-whois-asn-country-mmdb`;
const dist = `${root}dist`;

await rm(dist, { recursive: true, force: true });
await mkdir(dist);
await copyFile(`${source}/NRO_LICENSE`, `${dist}/NRO_LICENSE`);
await copyFile(`${source}/geo-whois-asn-country.mmdb`, `${dist}/countries.mmdb`);
console.log(`countries/dist/countries.mmdb: ${(await stat(`${dist}/countries.mmdb`)).size} bytes`);
