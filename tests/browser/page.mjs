// The page of `agg report` in a real browser: opens it from disk as its reader would, and expects what a reader does.
//
//   node page.mjs AGG SAMPLES MODULES SCRATCH [SCREENSHOTS]
//
// AGG is the program, SAMPLES the folder of sample logs, MODULES the node_modules with what package-lock.json pins,
// SCRATCH an empty folder. CHROMIUM (default /usr/bin/chromium) is the browser. With SCREENSHOTS, pictures of the page
// are put into that folder. `scripts/dev/check browser` runs it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [agg, samples, modules, scratch, screenshots] = process.argv.slice(2);
const required = createRequire(pathToFileURL(path.join(path.resolve(modules), "/")));
const { chromium } = required("playwright-core");
const axe = readFileSync(required.resolve("axe-core/axe.min.js"), "utf-8");

const store = path.join(scratch, "store");
const hostile = [
  `</script><img src=x onerror="document.title='run'">`,
  `<svg onload="document.title='run'">`,
  `'"><b>&amp;\u2028`,
];

function makePages() {
  execFileSync(agg, ["backfill", "--quiet", "--logs", samples, "--store", store]);
  const named = [
    ["124489097", "Café Olé, \"live\"", "The Samples"],
    ["75064605", hostile[0], hostile[1]],
    ["32853312", hostile[2], ""],
    ["94138146", "أغنية طويلة", "فنان"],
  ];
  const cell = (text) => `"${text.replaceAll('"', '""')}"`;
  const rows = named.map((row) => row.map(cell).join(","));
  const songs = path.join(scratch, "songs.csv");
  writeFileSync(songs, ["id,title,artist", ...rows, ""].join("\n"));
  const made = (name, ...flags) => {
    const out = path.join(scratch, `${name}.html`);
    execFileSync(agg, ["report", "--store", store, "--out", out, "--songs", songs, ...flags]);
    return pathToFileURL(out).href;
  };
  return {
    week: made("week", "--date", "2021-12-07"),
    pair: made("pair", "--date", "2021-12-07", "--days", "2"),
    gaps: made("gaps", "--date", "2021-12-02", "--allow-missing"),
  };
}

/** What emit-window gives a country of the two days: the page must say the same. */
function emitted(country) {
  const out = path.join(scratch, "out");
  execFileSync(agg, ["emit-window", "--store", store, "--out", out, "--date", "2021-12-07", "--days", "2", "--force"]);
  const lines = readFileSync(path.join(out, "2021-12-07/top50_songs_per_country.txt"), "utf-8").split("\n");
  const line = lines.find((one) => one.startsWith(`${country}|`));
  return line.slice(3).split(",").map((song) => song.split(":"));
}

const pages = makePages();
/** A busy machine takes its time. */
const timeout = 180_000;
const browser = await chromium.launch({
  timeout,
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

/** Opens a page and runs `work` in it; any complaint of the browser, or any request, fails the test. */
async function opened(address, options, work) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(timeout);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (request.url().split("#")[0] !== address.split("#")[0] && !request.url().startsWith("data:")) complaints.push(`request ${request.url()}`);
  });
  page.on("dialog", (dialog) => complaints.push(`dialog ${dialog.message()}`));
  await page.goto(address);
  await page.waitForSelector("#songs-body tr");
  await work(page);
  assert.deepEqual(complaints, []);
  await context.close();
}

const texts = (page, selector) => page.locator(selector).allInnerTexts();
const rowsOf = (page) => page.locator("#songs-body tr").count();
const numbers = (list) => list.map((text) => Number(text.replaceAll(",", "")));

/** Nothing that axe knows to be hard to use. Its code is put into the page by the test, past the policy of the page. */
async function expectAccessible(page, what) {
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const nodes = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
  assert.deepEqual(nodes, [], what);
}

const tests = {
  async "a country is chosen in the list, in the table and in the treemap"(page) {
    await page.selectOption("#country", "BE");
    assert.match(await page.innerText("#songs-heading"), /^Top \d+ in Belgium$/);
    await page.click("#countries-body tr[data-code=AR] button");
    assert.match(await page.innerText("#songs-heading"), /in Argentina$/);
    assert.equal(await page.inputValue("#country"), "AR");
    await page.click("#treemap g[data-code=FR]");
    assert.match(await page.innerText("#songs-heading"), /in France$/);
    assert.deepEqual(await page.locator("[aria-current]").evaluateAll((rows) => rows.map((row) => row.dataset.code)), ["FR"]);
    assert.match(page.url(), /#country=FR$/);
  },

  async "the songs of a country are those that emit-window writes"(page) {
    for (const country of ["AR", "FR"]) {
      await page.selectOption("#country", country);
      const counts = numbers(await texts(page, "#songs-body .streams b"));
      const shown = await page.locator("#songs-body .song").allInnerTexts();
      const expected = emitted(country);
      assert.deepEqual(counts, expected.map(([, count]) => Number(count)));
      assert.ok(expected.every(([id], at) => shown[at].includes(id)));
    }
  },

  async "ranks are compared with the earlier windows"(page) {
    await page.selectOption("#country", "FR");
    const changes = (await texts(page, "#songs-body .change")).map((text) => text.replaceAll("\n", " "));
    for (const kind of [/^new$/, /^▲ \d+/, /^▼ \d+/]) {
      assert.ok(changes.some((text) => kind.test(text)), `${kind}: ${changes.slice(0, 9)}`);
    }
    const heads = await page.locator("#songs-head .change").allTextContents();
    assert.deepEqual(heads.map((head) => head.slice(0, 9)), ["vs 6 Dec ", "vs 30 Nov"]);
  },

  async "countries are sorted by each column, both ways"(page) {
    const column = (at) => texts(page, `#countries-body tr > :nth-child(${at})`);
    const streams = numbers(await column(2));
    assert.deepEqual(streams, [...streams].sort((one, other) => other - one));
    await page.click("#countries-head button:has-text('Streams')");
    assert.deepEqual(numbers(await column(2)), streams.toReversed());
    assert.equal(await page.getAttribute("#countries-head [data-key=streams]", "aria-sort"), "ascending");
    await page.focus("#countries-head [data-key=name] button");
    await page.keyboard.press("Enter");
    const names = await texts(page, "#countries-body button");
    assert.deepEqual(names, [...names].sort());
    assert.equal(await page.locator("#countries-head [aria-sort]").count(), 1);
  },

  async "songs are filtered by id, by title and by artist"(page) {
    await page.selectOption("#country", "AR");
    const all = await rowsOf(page);
    await page.fill("#filter", "cafe OLE");
    assert.deepEqual(await texts(page, "#songs-body .title"), ['Café Olé, "live"']);
    await page.fill("#filter", "12448909");
    assert.equal(await rowsOf(page), 1);
    assert.equal(await page.innerText("#found"), `1 of ${all} songs match`);
    await page.fill("#filter", "no such song");
    assert.ok(await page.isVisible("#nothing"));
    await page.fill("#filter", "");
    assert.equal(await rowsOf(page), all);
  },

  async "a hostile title is a text and nothing else"(page) {
    await page.selectOption("#country", "AR");
    const titles = await page.locator("#songs-body .title, #songs-body .artist").allTextContents();
    for (const text of hostile) assert.ok(titles.some((title) => title.trim() === text.trim()), text);
    assert.equal(await page.locator("#songs-body img, #songs-body b b, #songs-body [onload]").count(), 0);
    assert.match(await page.title(), /^Streams, /);
  },

  async "dark and light follow the system until one is chosen"(page) {
    const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await paper();
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await paper();
    assert.notEqual(dark, light);
    await page.locator("[name=theme][value=light]").check();
    assert.equal(await paper(), light);
    await page.emulateMedia({ colorScheme: "light" });
    await page.locator("[name=theme][value=dark]").check();
    assert.equal(await paper(), dark);
  },

  async "the keyboard reaches everything, the skip link first"(page) {
    await page.keyboard.press("Tab");
    assert.match(await page.evaluate(() => document.activeElement.textContent), /^Skip to the songs/);
    const reached = new Set();
    for (let presses = 0; presses < 80; presses += 1) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.tagName));
    }
    for (const control of ["theme", "SUMMARY", "BUTTON", "country", "filter"]) assert.ok(reached.has(control), control);
  },

  async "paper gets the figures without the controls"(page) {
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    for (const hidden of [".theme", "#filter", "#country", "details"]) assert.ok(!(await page.isVisible(hidden)), hidden);
    assert.ok(await page.isVisible("#songs-table"));
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  },
};

for (const [name, test] of Object.entries(tests)) {
  await opened(pages.pair, {}, test);
  console.log(`ok: ${name}`);
}

await opened(`${pages.week}#country=BE`, {}, async (page) => {
  assert.match(await page.innerText("#songs-heading"), /in Belgium$/);
  const changes = await page.locator("#songs-body tr > .change:nth-child(5)").allTextContents();
  assert.ok(changes.length > 0 && changes.every((text) => text.startsWith("–")), "a week earlier is not stored");
  assert.match(await page.innerText("#notes"), /no whole window that ended a week earlier/);
});
console.log("ok: a window that is not stored gives dashes, and a link opens at its country");

await opened(pages.gaps, {}, async (page) => {
  assert.equal(await page.locator("#streams-chart rect.gap").count(), 3);
  assert.equal(await page.locator("#streams-chart rect.bar").count(), 4);
  assert.match(await page.innerText("#lede"), /^3 days of 7 not stored: 26 Nov, 27 Nov, 28 Nov/);
  assert.ok((await page.locator("#songs-body .spark .gap").count()) > 0);
});
console.log("ok: days that are not stored are gaps");

for (const [name, address] of Object.entries(pages)) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 390]) {
      await opened(address, { colorScheme, viewport: { width, height: 900 } }, async (page) => {
        await expectAccessible(page, `${name}, ${colorScheme}, ${width}`);
        const [wide, most] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
        assert.ok(wide <= most, `${name} at ${width}: ${wide} pixels wide`);
      });
    }
  }
}
console.log("ok: axe finds nothing, and nothing is wider than the screen, light and dark, wide and narrow");

if (screenshots) {
  const shot = async (name, address, options, full) =>
    opened(address, options, async (page) => {
      await page.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: full });
    });
  for (const colorScheme of ["light", "dark"]) {
    await shot(`desktop-${colorScheme}`, pages.pair, { colorScheme }, true);
    await shot(`phone-${colorScheme}`, pages.pair, { colorScheme, viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }, true);
  }
  await shot("gaps", pages.gaps, {}, true);
  await opened(pages.pair, {}, async (page) => {
    await page.pdf({ path: path.join(screenshots, "print.pdf"), format: "A4", printBackground: true });
  });
}
await browser.close();
