/** Entry of every page: each part looks for its element and stays quiet where there is none. */
import { chartOf } from "./chart";
import { beSeen, followLive } from "./live";
import { offerThemes } from "./theme";

offerThemes();
const chart = chartOf(document);
const live = document.querySelector<HTMLElement>("#live");
if (live?.dataset["app"]) followLive(live, live.dataset["app"], chart);
else if (document.body.classList.contains("framed")) beSeen();
